/** The picture beside each page: a passage of arches, a lamp at its end when the gate is open. Decoration only. */
import { type Html, html } from './html.ts';

/** `open`: the lamp is lit. `ajar`: dimmed, for pages on the way out. `shut`: the portcullis is down. */
export type Gate = 'open' | 'ajar' | 'shut';

interface Arch {
  readonly half: number;
  readonly spring: number;
  readonly floor: number;
}

const centre = 300;
const arches: readonly Arch[] = [
  { half: 262, spring: 372, floor: 900 },
  { half: 206, spring: 392, floor: 836 },
  { half: 158, spring: 410, floor: 782 },
  { half: 117, spring: 426, floor: 736 },
];
const door: Arch = { half: 82, spring: 440, floor: 698 };

/** The passage, behind the gate or with it open. */
export function gatePicture(gate: Gate): Html {
  return html`<div class="picture gate-${gate}" aria-hidden="true">
<svg viewBox="0 0 600 900" preserveAspectRatio="xMidYMid slice" focusable="false">
<defs>
<linearGradient id="lamp" x1="0" y1="0" x2="0" y2="1"><stop class="lamp-top" offset="0"/><stop class="lamp-foot" offset="1"/></linearGradient>
<linearGradient id="beam" x1="0" y1="0" x2="0" y2="1"><stop class="beam-near" offset="0"/><stop class="beam-far" offset="1"/></linearGradient>
</defs>
<rect class="wall-0" width="600" height="900"/>
${arches.map((arch, i) => html`<path class="wall-${i + 1}" d="${outline(arch)}"/>`)}
<path class="floor" d="${floor()}"/>
<path class="door" d="${outline(door)}"/>
${gate === 'shut' ? portcullis() : html`<path class="beam" d="${beam()}"/>`}
</svg>
</div>`;
}

/** The built-in mark: an arch within an arch. */
export const mark: Html = html`<svg class="mark" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true" focusable="false"><path class="mark-arch" d="M4 29V16a12 12 0 0 1 24 0v13h-5V16a7 7 0 0 0-14 0v13z"/><path class="mark-door" d="M12.5 29V16.5a3.5 3.5 0 0 1 7 0V29z"/></svg>`;

function outline({ half, spring, floor: base }: Arch): string {
  return `M${centre - half} ${base}V${spring}a${half} ${half} 0 0 1 ${2 * half} 0V${base}z`;
}

/** The paving between the foot of the first arch and the door. */
function floor(): string {
  const near = arches[0] ?? door;
  return `M${centre - near.half} ${near.floor}L${centre - door.half} ${door.floor}H${centre + door.half}L${centre + near.half} ${near.floor}z`;
}

/** The light that falls through the open door. */
function beam(): string {
  return `M${centre - door.half} ${door.floor}H${centre + door.half}L${centre + 190} 900H${centre - 190}z`;
}

function portcullis(): Html {
  const { half, spring, floor: base } = door;
  const upright = [-54, -27, 0, 27, 54].map((x) => {
    const top = spring - Math.sqrt(half * half - x * x);
    return `M${centre + x} ${Math.round(top)}V${base - 30}l-5 0 5 14 5-14-5 0`;
  });
  const across = [spring, spring + 62, spring + 124, spring + 186].map(
    (y) => `M${centre - half} ${y}H${centre + half}`,
  );
  return html`<path class="bars" d="${upright.join('')}${across.join('')}"/>`;
}
