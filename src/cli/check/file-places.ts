/** Finds the option that names a file which a message is about, so that the mistake is shown at its key. */
import path from 'node:path';
import type { IssuePosition, KeyPath } from '../../config/load.ts';

/**
 * The place of the file that a message names first, else of the options themselves. Of several bases, where the options may
 * stand alone or in a list, the one that is in the configuration counts.
 */
export function placeOfFile(
  locate: (path: KeyPath) => IssuePosition,
  bases: readonly KeyPath[],
  options: object,
  message: string,
): IssuePosition {
  const key = keyOfFile(options, message);
  const places = bases.map((base) => locate(key === undefined ? base : [...base, key]));
  const [first, ...others] = places;
  if (!first) throw new TypeError('no place was given');
  return others.reduce((best, place) => (isLater(place, best) ? place : best), first);
}

function isLater(one: IssuePosition, other: IssuePosition): boolean {
  return one.line > other.line || (one.line === other.line && one.column > other.column);
}

function keyOfFile(options: object, message: string): string | undefined {
  const named = Object.entries(options).flatMap(([key, value]) => {
    if (typeof value !== 'string' || !path.isAbsolute(value)) return [];
    const at = message.indexOf(value);
    return at === -1 ? [] : [{ key, at, length: value.length }];
  });
  return named.toSorted((one, other) => one.at - other.at || other.length - one.length)[0]?.key;
}
