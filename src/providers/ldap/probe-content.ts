/** The steps of a probe that ask what is in the directory: whether users and groups are where the options look for them. */
import type { StepResult } from '../../remote/probe.ts';
import type { Connection } from './connection.ts';
import type { GroupSource } from './groups.ts';
import type { AttributeMap } from './options.ts';
import { searchEntries, type UserSearch } from './user-search.ts';

const sampleSize = 100;

/** Whether the base is there, whom the filter could find, and whether they have a subject. */
export async function probeSearch(
  { search, attributes }: { readonly search: UserSearch; readonly attributes: AttributeMap },
  connection: Connection,
  signal: AbortSignal,
): Promise<StepResult> {
  await requireBase(connection, search.base, signal);
  const users = await sampleUsers(search, [attributes.subject], connection, signal);
  const detail = `${atLeast(users.length, 'user')} below ${search.base === '' ? 'the root' : search.base}`;
  if (users.length === 0) {
    return { detail, hint: 'userSearchFilter finds nobody: check it, searchBase, and what managerDn may read' };
  }
  const nameless = users.filter((user) => user.values(attributes.subject).length === 0).length;
  if (nameless === 0) return { detail };
  return {
    detail,
    hint: `${nameless} of them have no ${attributes.subject}, or managerDn may not read it; attributes.subject wants it`,
  };
}

/** Whether groups are where they are looked for. */
export async function probeGroups(
  source: GroupSource,
  search: UserSearch,
  connection: Connection,
  signal: AbortSignal,
): Promise<StepResult> {
  if (source.kind === 'search') {
    await requireBase(connection, source.base, signal);
    const filter = source.filter.widen();
    const groups = await searchEntries(connection, signal, source.base, {
      filter,
      attributes: ['1.1'],
      sizeLimit: sampleSize,
    });
    const detail = `${atLeast(groups.length, 'group')} below ${source.base}`;
    return groups.length > 0
      ? { detail }
      : { detail, hint: 'groups.filter finds none: check it and groups.searchBase' };
  }
  const users = await sampleUsers(search, [source.listedIn], connection, signal);
  const members = users.filter((user) => user.values(source.listedIn).length > 0).length;
  const detail = `${members} of ${users.length} users looked at have ${source.listedIn}`;
  return members > 0 ? { detail } : { detail, hint: `no user has ${source.listedIn}, or managerDn may not read it` };
}

async function requireBase(connection: Connection, base: string, signal: AbortSignal): Promise<void> {
  if (base !== '') await searchEntries(connection, signal, base, { scope: 'base', attributes: ['1.1'] });
}

function sampleUsers({ base, filter }: UserSearch, attributes: string[], connection: Connection, signal: AbortSignal) {
  return searchEntries(connection, signal, base, { filter: filter.widen(), attributes, sizeLimit: sampleSize });
}

function atLeast(count: number, what: string): string {
  return `${count === sampleSize ? 'at least ' : ''}${count} ${what}${count === 1 ? '' : 's'}`;
}
