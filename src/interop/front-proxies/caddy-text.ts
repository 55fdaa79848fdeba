/** Words and lines of a Caddyfile. */

/** Text as a part of a regular expression. */
export function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Caddy takes what stands in backquotes as it is. */
export function quote(text: string): string {
  return `\`${text}\``;
}

/** As Go writes header names, by which Caddy's placeholders are looked up. */
export function headerCase(name: string): string {
  return name.replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** Lines, deeper by so many levels. */
export function indent(depth: number, lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? line : '  '.repeat(depth) + line));
}
