/** Finds and changes what of an entry is secret: a whole value, or one member of a session's record. */
import { entryKinds, kindOf } from './entry-kinds.ts';

/** A record with what its provider keeps, such as a refresh token; all else in it is read for lists, and is no secret. */
interface SessionRecord {
  readonly grant?: { readonly state?: unknown };
}

/** The kinds of entries that hold secrets. */
export const secretKinds: readonly string[] = Object.keys(entryKinds).filter((kind) => entryKinds[kind]?.secret);

/** Whether an entry may hold a secret; without reading it. */
export function mayHoldSecret(key: string, value: string): boolean {
  const secret = entryKinds[kindOf(key)]?.secret;
  return secret === 'whole' || (secret === 'state' && value.includes('"state":'));
}

/**
 * The value with its secret part changed, from clear text to sealed or back; undefined from `change` leaves the value as it is.
 * What is no record is left alone: who wrote it finds out.
 */
export function changeSecret(
  key: string,
  value: string,
  change: (secret: string, isSealed: boolean) => string | undefined,
): string {
  if (entryKinds[kindOf(key)]?.secret === 'whole') return change(value, value.startsWith('sealed:')) ?? value;
  const record = readRecord(value);
  const state = record?.grant?.state;
  if (state === undefined) return value;
  const isSealed = typeof state === 'string' && state.startsWith('sealed:');
  const changed = change(isSealed ? state : JSON.stringify(state), isSealed);
  if (changed === undefined) return value;
  const next: unknown = isSealed && !changed.startsWith('sealed:') ? JSON.parse(changed) : changed;
  return JSON.stringify({ ...record, grant: { ...record?.grant, state: next } });
}

function readRecord(value: string): SessionRecord | undefined {
  try {
    return JSON.parse(value) as SessionRecord;
  } catch {
    return undefined;
  }
}
