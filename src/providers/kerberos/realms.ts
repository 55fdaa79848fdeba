/** Which realms' users may come in, and what becomes of the realm in their names. */
import { OperatorError } from '../../core/errors.ts';
import { canonicalUsername } from '../../core/principal.ts';
import type { Reason } from '../../core/reason.ts';
import { readPerson } from './names.ts';

/** `strip` leaves the plain name, `keep` makes `alice@example.com`, a suffix follows the name in place of the realm. */
type RealmFate = 'strip' | 'keep' | { readonly suffix: string };

/** The realms as configured: a list, or what becomes of each. */
export type RealmsOption = readonly string[] | Readonly<Record<string, RealmFate>>;

/** Who a ticket's name stands for. */
type Subject =
  | { readonly kind: 'subject'; readonly subject: string }
  | { readonly kind: 'rejected'; readonly reason: Reason };

/** Turns names of tickets into subjects. */
export class RealmMap {
  /** What stands behind a name, by realm. */
  readonly #tails: ReadonlyMap<string, string>;

  constructor(fates: ReadonlyMap<string, RealmFate>) {
    this.#tails = new Map([...fates].map(([realm, fate]) => [realm, tailOf(realm, fate)]));
  }

  get realms(): readonly string[] {
    return [...this.#tails.keys()];
  }

  /** The realm is compared as it was sent, with case: `example.com` and `EXAMPLE.COM` are two realms (RFC 4120 §6.1). */
  subjectOf(principal: string): Subject {
    const realm = principal.slice(principal.lastIndexOf('@') + 1);
    const tail = this.#tails.get(realm);
    if (tail === undefined) return { kind: 'rejected', reason: 'realm-not-allowed' };
    const person = readPerson(principal);
    if (!person) return { kind: 'rejected', reason: 'logon-not-permitted' };
    return { kind: 'subject', subject: canonicalUsername(person.name + tail) };
  }
}

/**
 * What becomes of each realm. In a list the first realm is stripped and the others are kept, so that `admin` of a partner
 * never passes for our own; without any option there is only the realm that the keytab's keys are of.
 */
export function realmFates(
  provider: string,
  realms: RealmsOption | undefined,
  own: readonly string[],
): ReadonlyMap<string, RealmFate> {
  if (realms === undefined && own.length !== 1) {
    throw new OperatorError(
      `providers.${provider}.realms: the keytab has keys of ${own.join(' and ')}, so it is not clear whose users may come in`,
      'list the realms, such as realms: [EXAMPLE.COM]',
    );
  }
  const names = realms ?? own;
  return isList(names)
    ? new Map(names.map((realm, index): [string, RealmFate] => [realm, index === 0 ? 'strip' : 'keep']))
    : new Map(Object.entries(names));
}

/** Realms whose users of one name become one user; each list has more than one. */
export function sharedNames(fates: ReadonlyMap<string, RealmFate>): readonly (readonly string[])[] {
  const byTail = Map.groupBy(fates, ([realm, fate]) => tailOf(realm, fate));
  return [...byTail.values()].filter((group) => group.length > 1).map((group) => group.map(([realm]) => realm));
}

function tailOf(realm: string, fate: RealmFate): string {
  if (fate === 'strip') return '';
  return canonicalUsername(fate === 'keep' ? `@${realm}` : fate.suffix);
}

function isList(realms: RealmsOption): realms is readonly string[] {
  return Array.isArray(realms);
}
