/** Which values of a configuration came from elsewhere than its file, for people: a line each, secrets left out. */
import { dottedKey } from '../../config/issue.ts';
import { namesSecret } from '../../config/mask.ts';
import type { Override } from '../../config/overrides.ts';

const widest = 100;

/** A table of value and origin; of several for one key the last, which is the one that counts. */
export function originTable(overrides: readonly Override[]): string {
  const rows = new Map<string, readonly [string, string]>();
  for (const { key, value, origin } of overrides) {
    const name = dottedKey(key);
    rows.delete(name);
    const shown = namesSecret(key.at(-1) ?? '') ? '[secret]' : JSON.stringify(value, masked);
    rows.set(name, [value === undefined ? `${name}: (none)` : `${name}: ${shown}`, origin]);
  }
  const width = Math.min(widest, Math.max(...[...rows.values()].map(([left]) => left.length)));
  return [['value', 'from'] as const, ...rows.values()]
    .map(([left, origin]) => `${left.padEnd(width)}  ${origin}`)
    .join('\n');
}

function masked(key: string, value: unknown): unknown {
  return namesSecret(key) ? '[secret]' : value;
}
