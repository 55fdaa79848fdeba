/** An entry of a directory, read evenly: attribute names without regard to case, values always as a list of texts. */
import type { Entry } from 'ldapts';
import { firstRdn } from '../../core/dn.ts';
import { type Assertion, canonicalUsername } from '../../core/principal.ts';

/** One entry. */
export interface DirectoryEntry {
  /** As the server wrote it; goes back to it verbatim. */
  readonly dn: string;
  /** The values of an attribute; `dn` is the entry's own name. */
  values(attribute: string): readonly string[];
}

/** Reads an entry of ldapts, in which a single value stands alone and what is no text is a Buffer. */
export function readEntry(entry: Entry): DirectoryEntry {
  const attributes = new Map<string, readonly string[]>([['dn', [entry.dn]]]);
  for (const [name, value] of Object.entries(entry)) {
    if (name !== 'dn') attributes.set(name.toLowerCase(), [value].flat().map(textOf));
  }
  return { dn: entry.dn, values: (attribute) => attributes.get(attribute.toLowerCase()) ?? [] };
}

/**
 * The canonical subject of an entry; undefined when it has none.
 *
 * An attribute may have several values in any order. The one that names the entry is the lasting one; else the first in
 * the order of the alphabet, so that a user is the same one at each login.
 */
export function subjectOf(entry: DirectoryEntry, attribute: string): string | undefined {
  const values = entry
    .values(attribute)
    .map(canonicalUsername)
    .filter((value) => value !== '')
    .toSorted();
  if (values.length <= 1) return values[0];
  const rdn = firstRdn(entry.dn);
  const naming = rdn?.attribute.toLowerCase() === attribute.toLowerCase() ? canonicalUsername(rdn.value) : undefined;
  return naming !== undefined && values.includes(naming) ? naming : values[0];
}

type Values = readonly (readonly [name: string, values: readonly string[]])[];

/** The attributes of an assertion: those of an entry that are mapped to names, and more; none without values. */
export function mappedAttributes(
  entry: DirectoryEntry,
  names: readonly (readonly [name: string, attribute: string])[],
  more: Values = [],
): Readonly<Record<string, readonly string[]>> {
  const mapped = names.map(([name, attribute]) => [name, entry.values(attribute)] as const);
  return Object.fromEntries([...mapped, ...more].filter(([, values]) => values.length > 0));
}

/** What an entry says of its account without asking for groups: who is rejected has no use for them. Undefined without a subject. */
export function knownOf(
  entry: DirectoryEntry,
  realm: string,
  names: { readonly subject: string; readonly others: readonly (readonly [name: string, attribute: string])[] },
): Assertion | undefined {
  const subject = subjectOf(entry, names.subject);
  if (subject === undefined) return undefined;
  return { realm, subject, amr: [], attributes: mappedAttributes(entry, names.others), record: { dn: entry.dn } };
}

function textOf(value: string | Buffer): string {
  return typeof value === 'string' ? value : value.toString('base64');
}
