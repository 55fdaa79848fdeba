/** Values from elsewhere (the environment) that take the place of what the file says, before anything is checked. */
import type { KeyPath } from './issue.ts';
import { isMapping } from './schema.ts';

/** A value for a key, and where it came from, such as `environment LOGIN_TIMEOUT_MS`. */
export interface Override {
  readonly key: KeyPath;
  /** As the file would write it; undefined removes the key. */
  readonly value: unknown;
  readonly origin: string;
}

/**
 * A copy of the document with the overrides in it, later ones over earlier ones. One whose key leads through something
 * that is no mapping or list is left out: that is a mistake in the file, and is reported as such.
 */
export function withOverrides(document: unknown, overrides: readonly Override[]): unknown {
  return overrides.reduce((current, { key, value }) => place(current, key, structuredClone(value)), document);
}

function place(current: unknown, key: KeyPath, value: unknown): unknown {
  const [step, ...rest] = key;
  if (step === undefined) return value;
  if (typeof step === 'number' && (Array.isArray(current) || isAbsent(current))) {
    const list: unknown[] = Array.isArray(current) ? [...current] : [];
    list[Math.min(step, list.length)] = place(list[step], rest, value);
    return list;
  }
  if (!isMapping(current) && !isAbsent(current)) return current;
  const mapping: Record<string, unknown> = { ...(isMapping(current) ? current : {}) };
  const placed = place(mapping[step], rest, value);
  if (placed === undefined) delete mapping[step];
  else mapping[step] = placed;
  return mapping;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

/** Where the value at a path came from, if not from the file; the last override counts. */
export function originOf(path: KeyPath, overrides: readonly Override[]): string | undefined {
  return overrides.findLast(({ key }) => isWithin(path, key))?.origin;
}

/** Where a part of the value at a path came from: for mistakes of a mapping that only overrides have made. */
export function originBelow(path: KeyPath, overrides: readonly Override[]): string | undefined {
  return overrides.findLast(({ key }) => key.length > path.length && isWithin(key, path))?.origin;
}

function isWithin(path: KeyPath, outer: KeyPath): boolean {
  return outer.length <= path.length && outer.every((step, index) => String(step) === String(path[index]));
}
