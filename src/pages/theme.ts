/** The colours that follow from the operator's accent colour, as a stylesheet; text shades always meet WCAG AA. */

type Colour = readonly [red: number, green: number, blue: number];

const white: Colour = [255, 255, 255];
const night: Colour = [9, 17, 19];
/** The backgrounds that text in a shade of the accent stands on; `gatehouse.css` uses the same. */
const surfaces = { light: white, dark: [20, 27, 29] as Colour };
/** WCAG 2.2 §1.4.3 for text, with a little to spare; §1.4.11 for the edges of controls. */
const textContrast = 4.6;
const edgeContrast = 3.1;

/** A stylesheet of custom properties for light and dark; `accent` is `#rrggbb`. */
export function themeCss(accent: string): string {
  const colour = parseColour(accent);
  return `:root{${light(colour)}}\n@media (prefers-color-scheme:dark){:root{${dark(colour)}}}\n`;
}

/** The WCAG 2.2 contrast ratio of two `#rrggbb` colours, from 1 to 21. */
export function contrast(one: string, other: string): number {
  return ratio(parseColour(one), parseColour(other));
}

function light(accent: Colour): string {
  const fill = until(accent, night, (colour) => ratio(colour, surfaces.light) >= edgeContrast);
  return declarations({
    ...button(fill, night),
    link: until(accent, night, (colour) => ratio(colour, surfaces.light) >= textContrast + 0.6),
    wash: mix(accent, white, 0.94),
    ...passage(accent),
  });
}

function dark(accent: Colour): string {
  const fill = until(accent, white, (colour) => ratio(colour, surfaces.dark) >= edgeContrast);
  return declarations({
    ...button(fill, white),
    link: until(accent, white, (colour) => ratio(colour, surfaces.dark) >= textContrast + 2),
    wash: mix(accent, surfaces.dark, 0.86),
    ...passage(mix(accent, night, 0.35)),
  });
}

function button(fill: Colour, towards: Colour): Record<string, Colour> {
  const text = ratio(fill, white) >= textContrast ? white : night;
  // A middling colour carries neither: it then moves away from its text until it does.
  const readable = until(fill, text === white ? night : white, (colour) => ratio(colour, text) >= textContrast);
  const hover = mix(readable, towards, 0.14);
  return { accent: readable, 'accent-hover': ratio(hover, text) >= textContrast ? hover : readable, 'on-accent': text };
}

/** The walls of the picture, from the nearest, which is darkest, to the one before the lamp. */
function passage(accent: Colour): Record<string, Colour> {
  const near = mix(accent, night, 0.62);
  const far = mix(mix(accent, night, 0.05), white, 0.12);
  return Object.fromEntries([0, 1, 2, 3, 4].map((i) => [`wall-${i}`, mix(near, far, i / 4)]));
}

function until(colour: Colour, towards: Colour, isGood: (colour: Colour) => boolean): Colour {
  for (let share = 0; share < 1; share += 0.02) {
    const candidate = mix(colour, towards, share);
    if (isGood(candidate)) return candidate;
  }
  return towards;
}

function mix(one: Colour, other: Colour, share: number): Colour {
  const part = (i: 0 | 1 | 2) => Math.round(one[i] + (other[i] - one[i]) * share);
  return [part(0), part(1), part(2)];
}

function ratio(one: Colour, other: Colour): number {
  const [dim = 0, bright = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (bright + 0.05) / (dim + 0.05);
}

function luminance([red, green, blue]: Colour): number {
  const linear = (value: number) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function parseColour(hex: string): Colour {
  const part = (start: number) => Number.parseInt(hex.slice(start, start + 2), 16);
  return [part(1), part(3), part(5)];
}

function declarations(colours: Readonly<Record<string, Colour>>): string {
  const hex = (colour: Colour) => `#${colour.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
  return Object.entries(colours)
    .map(([name, colour]) => `--${name}:${hex(colour)}`)
    .join(';');
}
