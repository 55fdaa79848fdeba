/** Finding the one entry that a user name means. */
import type { Entry, SearchOptions } from 'ldapts';
import { canonicalUsername } from '../../core/principal.ts';
import type { Deadline } from '../../remote/deadline.ts';
import type { Connection } from './connection.ts';
import type { Directory } from './directory.ts';
import { type DirectoryEntry, readEntry } from './entry.ts';
import { directoryFailure } from './failure.ts';
import type { FilterTemplate } from './filter.ts';
import { withWholeLists } from './ranges.ts';
import type { Server } from './transport.ts';

/** Where and how users are looked for. */
export interface UserSearch {
  readonly base: string;
  readonly filter: FilterTemplate;
  /** What is read of the entry. */
  readonly attributes: readonly string[];
}

/** What was found. `ambiguous` names the entries: it is a fault of the filter or of the directory, never a choice. */
export type FoundUser =
  | { readonly kind: 'found'; readonly entry: DirectoryEntry; readonly server: Server }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'ambiguous'; readonly dns: readonly string[] };

/** Looks for exactly one entry. Referrals in the answer are not followed. */
export async function findUser(
  directory: Directory,
  search: UserSearch,
  username: string,
  deadline: Deadline,
): Promise<FoundUser> {
  const wanted = search.filter.expectations(username);
  const attributes = [...new Set([...search.attributes, ...wanted.map(({ attribute }) => attribute)])];
  return directory.search(deadline, async (connection, signal) => {
    const entries = await searchEntries(connection, signal, search.base, {
      filter: search.filter.fill({ s: username }),
      attributes,
      sizeLimit: 2,
    });
    const [entry] = entries;
    if (entry === undefined) return { kind: 'unknown' };
    if (entries.length > 1) return { kind: 'ambiguous', dns: entries.map(({ dn }) => dn) };
    return isMeant(entry, wanted) ? { kind: 'found', entry, server: connection.server } : { kind: 'unknown' };
  });
}

/** The entries below a base, or the base itself. */
export async function searchEntries(
  connection: Connection,
  signal: AbortSignal,
  base: string,
  options: SearchOptions,
): Promise<readonly DirectoryEntry[]> {
  try {
    const search = async (from: string, how: SearchOptions): Promise<readonly Entry[]> =>
      (await connection.run(signal, (client) => client.search(from, how))).searchEntries;
    const ask = async (dn: string, attribute: string): Promise<Entry | undefined> =>
      (await search(dn, { scope: 'base', attributes: [attribute] }))[0];
    const found: DirectoryEntry[] = [];
    for (const entry of await search(base, { scope: 'sub', ...options }))
      found.push(readEntry(await withWholeLists(entry, ask)));
    return found;
  } catch (error) {
    throw directoryFailure(error, `${connection.server.label}: search below ${base === '' ? 'the root' : base}`);
  }
}

/**
 * Whether the entry has the very name that was asked for. Directories compare more loosely than our canonical form: they
 * drop soft hyphens and zero-width spaces (RFC 4518 §2.2), Active Directory drops accents. Each such spelling would have its
 * own count of failures, and a guesser would never be locked out.
 */
function isMeant(entry: DirectoryEntry, wanted: readonly { attribute: string; value: string }[]): boolean {
  const readable = wanted.filter(({ attribute }) => entry.values(attribute).length > 0);
  if (readable.length === 0) return true;
  return readable.some(({ attribute, value }) => {
    const expected = canonicalUsername(value);
    return entry.values(attribute).some((held) => canonicalUsername(held) === expected);
  });
}
