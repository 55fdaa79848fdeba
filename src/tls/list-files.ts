/** A file of revocation lists as it was last read, and whether what stands in it now may take that one's place. */
import type { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { OperatorError } from '../core/errors.ts';
import { type HeldList, holdList, ownerOf } from './held-lists.ts';
import { readRevocationLists } from './revocation-list.ts';

/** One file. */
export interface ListFile {
  readonly file: string;
  readonly lists: readonly HeldList[];
  /** What tells one content from another without reading it. */
  readonly mark: string;
  /** Why what stands in the file now is not used. */
  readonly problem?: { readonly detail: string; readonly hint: string | undefined };
}

/**
 * Reads a file, unless `before` was read of the same content. What would take revocations back is refused: a list that is older
 * than the one in use, or of somebody else.
 */
export async function readListFile(
  file: string,
  authorities: readonly X509Certificate[],
  before?: ListFile,
): Promise<ListFile> {
  const mark = await markOf(file);
  const owners = new Set(authorities.map(ownerOf));
  const isOwned = ({ authority }: HeldList): boolean => authority !== undefined && owners.has(ownerOf(authority));
  if (before && before.mark === mark && before.lists.every(isOwned)) return before;
  const lists: HeldList[] = [];
  for (const list of await readRevocationLists(file)) lists.push(await holdList(file, list, authorities));
  // An authority that no longer counts takes its list along.
  for (const { authority, list } of before?.lists.filter(isOwned) ?? []) {
    const owner = authority && ownerOf(authority);
    const next = lists.filter((held) => held.authority && ownerOf(held.authority) === owner);
    if (next.length === 0)
      throw new OperatorError(
        `the file ${file} has no list any more that the key of ${list.issuerWords} has signed`,
        'fetch the list of that authority again, and name that of another one as a file of its own',
      );
    if (next.every((held) => held.list.thisUpdate < list.thisUpdate))
      throw new OperatorError(
        `the list of ${list.issuerWords} in ${file} is older than the one in use`,
        'fetch the latest from the authority',
      );
  }
  return { file, lists, mark };
}

async function markOf(file: string): Promise<string> {
  const { ino, size, mtimeMs, ctimeMs } = await stat(file).catch(() => ({ ino: 0, size: 0, mtimeMs: 0, ctimeMs: 0 }));
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}
