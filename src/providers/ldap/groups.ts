/** The groups of a user: by a search, by the entry's own list, and through groups in groups. */
import type { Filter } from 'ldapts';
import { domainOf, firstRdn } from '../../core/dn.ts';
import type { Log } from '../../core/log.ts';
import type { Deadline } from '../../remote/deadline.ts';
import type { Connection } from './connection.ts';
import type { Directory } from './directory.ts';
import { type DirectoryEntry, readEntry } from './entry.ts';
import { directoryFailure } from './failure.ts';
import { FilterTemplate } from './filter.ts';
import { searchEntries } from './user-search.ts';

/** Where groups come from. `attribute` is what names a group; `dn` is its whole DN. */
export type GroupSource =
  | {
      readonly kind: 'search';
      readonly base: string;
      readonly filter: FilterTemplate;
      readonly attribute: string;
      readonly nested: boolean;
    }
  | { readonly kind: 'listed'; readonly listedIn: string; readonly attribute: 'rdn' | 'dn'; readonly nested: boolean };

const maxGroups = 1000;
const maxLevels = 10;
const pageSize = 500;
const inChain = new FilterTemplate('(member=%d)');

/** The names of the user's groups, each once, in order. Throws a Failure when they cannot be read. */
export async function readGroups(
  directory: Directory,
  source: GroupSource,
  user: { readonly entry: DirectoryEntry; readonly username: string },
  deadline: Deadline,
  log: Log,
): Promise<readonly string[]> {
  const names = await directory.search(deadline, async (connection, signal) => {
    const reader = new GroupReader(connection, signal, log);
    const isActiveDirectory = source.nested && (await directory.isActiveDirectory(connection, signal));
    return source.kind === 'search'
      ? reader.search(source, user, isActiveDirectory)
      : reader.listed(source, user.entry, isActiveDirectory);
  });
  return [...new Set(names)].toSorted();
}

/** Reads groups over one connection. */
class GroupReader {
  readonly #connection: Connection;
  readonly #signal: AbortSignal;
  readonly #log: Log;

  constructor(connection: Connection, signal: AbortSignal, log: Log) {
    this.#connection = connection;
    this.#signal = signal;
    this.#log = log;
  }

  async search(
    { base, filter, attribute, nested }: GroupSource & { kind: 'search' },
    { entry, username }: { entry: DirectoryEntry; username: string },
    isActiveDirectory: boolean,
  ): Promise<readonly string[]> {
    const holes = { s: username, d: entry.dn };
    const direct = await this.#groups(
      base,
      isActiveDirectory ? filter.fillInChain(holes) : filter.fill(holes),
      attribute,
    );
    const all =
      nested && !isActiveDirectory
        ? await this.#walk(direct, (group) => this.#groups(base, filter.fill({ s: username, d: group.dn }), attribute))
        : direct;
    return all.flatMap((group) => group.values(attribute));
  }

  async listed(
    { listedIn, attribute, nested }: GroupSource & { kind: 'listed' },
    entry: DirectoryEntry,
    isActiveDirectory: boolean,
  ): Promise<readonly string[]> {
    const name = (dn: string) => (attribute === 'dn' ? dn : (firstRdn(dn)?.value ?? dn));
    const direct = entry.values(listedIn);
    if (!nested) return direct.map(name);
    const domain = isActiveDirectory ? domainOf(entry.dn) : undefined;
    if (domain !== undefined) {
      const groups = await this.#groups(domain, inChain.fillInChain({ d: entry.dn }), 'cn');
      return [...direct, ...groups.map(({ dn }) => dn)].map(name);
    }
    const all = await this.#walk(direct.map(unread), async ({ dn }) => (await this.#listOf(dn, listedIn)).map(unread));
    return all.map(({ dn }) => name(dn));
  }

  /** Goes from group to group, level by level; a group seen before ends a circle. */
  async #walk(
    start: readonly DirectoryEntry[],
    above: (group: DirectoryEntry) => Promise<readonly DirectoryEntry[]>,
  ): Promise<readonly DirectoryEntry[]> {
    const seen = new Map(start.map((group) => [group.dn.toLowerCase(), group]));
    let level = start;
    for (let depth = 0; level.length > 0; depth++) {
      if (depth === maxLevels || seen.size > maxGroups) {
        this.#log.warn({ groups: seen.size, depth }, 'ldap groups in groups go too far; the rest is left out');
        break;
      }
      const next: DirectoryEntry[] = [];
      for (const group of level) {
        for (const parent of await above(group)) {
          if (seen.has(parent.dn.toLowerCase())) continue;
          seen.set(parent.dn.toLowerCase(), parent);
          next.push(parent);
        }
      }
      level = next;
    }
    return [...seen.values()];
  }

  async #listOf(dn: string, listedIn: string): Promise<readonly string[]> {
    try {
      const [group] = await searchEntries(this.#connection, this.#signal, dn, {
        scope: 'base',
        attributes: [listedIn],
      });
      return group?.values(listedIn) ?? [];
    } catch (error) {
      // A group outside of what the manager may see has none above it, as far as we are concerned.
      const failure = directoryFailure(error, this.#connection.server.label);
      if (failure.answer === 32 || failure.answer === 10) return [];
      throw failure;
    }
  }

  /** In pages: Active Directory gives no more than a thousand entries at a time. */
  async #groups(base: string, filter: Filter, attribute: string): Promise<readonly DirectoryEntry[]> {
    try {
      return await this.#connection.run(this.#signal, async (client) => {
        const groups: DirectoryEntry[] = [];
        const pages = client.searchPaginated(base, {
          filter,
          attributes: [attribute === 'dn' ? '1.1' : attribute],
          paged: { pageSize },
        });
        for await (const { searchEntries: entries } of pages) {
          groups.push(...entries.map(readEntry));
          if (groups.length > maxGroups) {
            this.#log.warn({ groups: groups.length }, 'ldap user is in too many groups; the rest is left out');
            break;
          }
        }
        return groups;
      });
    } catch (error) {
      throw directoryFailure(error, `${this.#connection.server.label}: search for groups below ${base}`);
    }
  }
}

/** A group of which only the DN is known. */
function unread(dn: string): DirectoryEntry {
  return { dn, values: (attribute) => (attribute.toLowerCase() === 'dn' ? [dn] : []) };
}
