/** The characters that a pattern could tell apart: a few stand for all. */
import type { Automaton } from './regex-automaton.ts';
import type { Budget } from './regex-readings.ts';

/** For each position, which of some characters it takes: all that the pattern could tell apart. */
export function alphabetOf(
  { atoms }: Automaton,
  source: string,
  isInsensitive: boolean,
  budget: Budget,
): readonly (readonly boolean[])[] {
  const samples = new Set<number>(Array.from({ length: 0x180 }, (_, code) => code));
  for (const code of [0x17f, 0x212a, 0x3b1, 0x4e2d, 0x20ac, 0x301, 0x2028, 0x1f600]) samples.add(code);
  for (const character of source) for (const step of [-1, 0, 1]) samples.add((character.codePointAt(0) ?? 0) + step);
  for (const [, long, short] of source.matchAll(/\\u(?:\{([\dA-Fa-f]+)\}|([\dA-Fa-f]{4}))/g))
    for (const step of [-1, 0, 1]) samples.add(Number.parseInt(long ?? short ?? '0', 16) + step);
  const texts = [...samples].filter((code) => code >= 0 && code <= 0x10ffff).map((code) => String.fromCodePoint(code));
  const known = new Map<string, readonly boolean[]>();
  for (const atom of new Set(atoms)) {
    budget.spend(texts.length / 4);
    const pattern = new RegExp(`^(?:${atom})$`, isInsensitive ? 'iu' : 'u');
    known.set(
      atom,
      texts.map((text) => pattern.test(text)),
    );
  }
  // Characters that all positions take alike are one.
  const rows = [...known.values()];
  const alike = new Map(texts.map((_, at) => [rows.map((row) => (row[at] ? 1 : 0)).join(''), at]));
  const kept = [...alike.values()];
  for (const [atom, row] of known)
    known.set(
      atom,
      kept.map((at) => row[at] === true),
    );
  return atoms.map((atom) => known.get(atom) ?? []);
}
