/**
 * Long lists of Active Directory: of an attribute with more values than it gives at a time (1,500 unless set otherwise) it
 * sends the first under a name such as `memberOf;range=0-1499`, and the rest when asked ([MS-ADTS] §3.1.1.3.1.3.3).
 */

import type { Entry } from 'ldapts';
import { Failure } from '../../core/failure.ts';

/** Asks for one attribute of an entry, the range as part of its name. */
type AskForRange = (dn: string, attribute: string) => Promise<Entry | undefined>;

type Values = readonly (string | Buffer)[];

/** Values of one attribute; `next` is where those that are missing begin. */
interface Portion {
  readonly attribute: string;
  readonly start: number;
  readonly values: Values;
  readonly next: number | undefined;
}

const maxPortions = 20;
const rangeName = /^([\w.-]+);range=(\d{1,9})-(\d{1,9}|\*)$/i;

/** The entry with every list whole. Throws a Failure where one has no end: half the groups are not the user's groups. */
export async function withWholeLists(entry: Entry, ask: AskForRange): Promise<Entry> {
  const portions = Object.entries(entry).flatMap(([name, value]) => portionOf(name, value) ?? []);
  const whole: Entry = { ...entry };
  for (const portion of portions) whole[portion.attribute] = await collect(entry.dn, portion, ask);
  return whole;
}

async function collect(dn: string, first: Portion, ask: AskForRange): Promise<string[] | Buffer[]> {
  const { attribute } = first;
  const values = [...first.values];
  if (first.start !== 0) throw missing(dn, attribute, 0);
  let { next } = first;
  for (let count = 1; next !== undefined; count++) {
    const answer = count < maxPortions ? await ask(dn, `${attribute};range=${next}-*`) : undefined;
    const found = Object.entries(answer ?? {}).flatMap(([name, value]) => portionOf(name, value) ?? []);
    // ldapts puts an empty list where an attribute that was asked for did not come.
    const portion = found.find(
      ({ attribute: name, values: some }) => name.toLowerCase() === attribute.toLowerCase() && some.length > 0,
    );
    if (!portion || portion.start !== next || (portion.next ?? Number.POSITIVE_INFINITY) <= next)
      throw missing(dn, attribute, next);
    values.push(...portion.values);
    next = portion.next;
  }
  return values as string[] | Buffer[];
}

function missing(dn: string, attribute: string, from: number): Failure {
  return new Failure('protocol-error', `${dn}: the values of ${attribute} from ${from} on are not to be had`, {
    hint: 'the manager must be allowed to read them all; or read groups by a search (groups.searchBase)',
  });
}

function portionOf(name: string, value: Entry[string]): Portion | undefined {
  const [, attribute, start, end] = rangeName.exec(name) ?? [];
  if (attribute === undefined || start === undefined || end === undefined) return undefined;
  return {
    attribute,
    start: Number(start),
    values: [value].flat(),
    next: end === '*' ? undefined : Number(end) + 1,
  };
}
