/** What of the entries in a store is secret: whole values of some kinds, and one member of a session's record. */

/** The kinds whose value is secret from its first sign to its last. */
const wholeKinds: ReadonlySet<string> = new Set(['assertion-key', 'form-key', 'flow', 'kept-post']);
const sessionKind = 'session';

/** A record with what its provider keeps, such as a refresh token; all else in it is read for lists, and is no secret. */
interface SessionRecord {
  readonly grant?: { readonly state?: unknown };
}

/** The kinds of entries that hold secrets. */
export const secretKinds: readonly string[] = [...wholeKinds, sessionKind];

/** Whether an entry may hold a secret; without reading it. */
export function mayHoldSecret(key: string, value: string): boolean {
  const kind = key.slice(0, key.indexOf(':'));
  return wholeKinds.has(kind) || (kind === sessionKind && value.includes('"state":'));
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
  if (!key.startsWith(`${sessionKind}:`)) return change(value, value.startsWith('sealed:')) ?? value;
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
