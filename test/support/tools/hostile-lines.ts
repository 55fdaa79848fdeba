/** Reads the fixtures of hostile values: one a line, `<09>` for a raw octet, `# ` before a comment. */
import { readFileSync } from 'node:fs';

/** The values of `test/fixtures/<name>`; each octet beyond ASCII is one Latin-1 character, as Node hands targets over. */
export function hostileLines(name: string): string[] {
  return readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('# '))
    .map((line) => line.replace(/<([0-9a-f]{2})>/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))));
}
