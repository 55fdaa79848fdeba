/**
 * The enrolments of accounts in the shared store. A list says which there are, and each has a record: one that is listed and
 * cannot be read is an outage, never an absence, or its loss would let the next comer enrol. The store seals both, with the
 * account in the key as associated data.
 */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { type Account, accountKey, accountNamed } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Enrolment } from '../core/factor.ts';
import { Failure } from '../core/failure.ts';
import type { Store } from '../core/store.ts';

const listSchema = z.looseObject({
  kind: z.literal('list'),
  ids: z.array(z.string().regex(/^[\w-]{16}$/)),
  /** Whose they are, which the key does not tell; absent in lists of earlier versions. */
  account: z.object({ tenant: z.string(), subject: z.string() }).optional(),
});

const recordSchema = z.looseObject({
  kind: z.literal('enrolment'),
  factor: z.string(),
  name: z.string(),
  createdAt: z.number(),
  lastUsedAt: z.number().optional(),
  data: z.unknown(),
});

/** All enrolments of an account at a moment. */
export interface AccountEnrolments {
  readonly all: readonly Enrolment[];
  /** The version of the list; absent where the account never had one. */
  readonly version: string | undefined;
}

/** What is to be enrolled. */
interface Enrolling extends Pick<Enrolment, 'factor' | 'name' | 'data'> {
  /** What was there when it was allowed: nobody may have enrolled anything else since. */
  readonly after: AccountEnrolments;
}

/** Room for ten keys, an app or two, and what else there is. */
const maxEnrolments = 32;

/** Keeps enrolments. Every method throws when the store is out of reach or something cannot be read: nobody may pass for one who has none. */
export class Enrolments {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor({ store, clock }: { store: Store; clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** What an account has, of every factor, also of those that are no longer configured. */
  async of(account: Account): Promise<AccountEnrolments> {
    const list = await this.#store.get(listKey(account));
    const { ids } = list ? parse(listSchema, list.value) : { ids: [] };
    const all = await Promise.all(ids.map((id) => this.#read(account, id)));
    return { all, version: list?.version };
  }

  /** Enrols, unless the list of the account has changed since it was read; undefined then. */
  async add(account: Account, { factor, name, data, after }: Enrolling): Promise<Enrolment | undefined> {
    if (after.all.length >= maxEnrolments) return undefined;
    const id = randomBytes(12).toString('base64url');
    const key = recordKey(account, id);
    const record = { kind: 'enrolment', factor, name, createdAt: this.#clock.now(), data } as const;
    await this.#store.put(key, JSON.stringify(record));
    const ids = [...after.all.map((one) => one.id), id];
    const isListed = await this.#store.replace(listKey(account), after.version, printList(account, ids));
    if (isListed) return this.#read(account, id);
    await this.#store.delete(key);
    return undefined;
  }

  /** Writes an enrolment over the one that was read; false where somebody else has written it meanwhile. */
  async replace(account: Account, { id, version, ...rest }: Enrolment): Promise<boolean> {
    const record = JSON.stringify({ kind: 'enrolment', ...rest });
    return this.#store.replace(recordKey(account, id), version, record);
  }

  /** Takes enrolments off an account: those of these ids, or all. What was taken, or undefined where the list has changed meanwhile. */
  async remove(
    account: Account,
    { all, version }: AccountEnrolments,
    ids?: readonly string[],
  ): Promise<readonly Enrolment[] | undefined> {
    const gone = all.filter(({ id }) => ids === undefined || ids.includes(id));
    if (gone.length === 0) return [];
    const left = all.filter((one) => !gone.includes(one)).map(({ id }) => id);
    // The list first: what it does not name is no enrolment, and what it names must be there.
    const isListed = await this.#store.replace(listKey(account), version, printList(account, left));
    if (!isListed) return undefined;
    for (const { id } of gone) await this.#store.delete(recordKey(account, id));
    return gone;
  }

  /**
   * Gives the enrolments of an account to another one. `dataOf` gives what each holds there. Nothing is lost on the way: they are
   * listed there before they leave here, and a move that was cut off is finished by another.
   */
  async move(
    from: Account,
    to: Account,
    dataOf: (enrolment: Enrolment) => Promise<unknown>,
  ): Promise<'moved' | 'none' | 'occupied'> {
    const own = await this.of(from);
    const there = await this.of(to);
    const ids = own.all.map(({ id }) => id);
    if (ids.length === 0) return 'none';
    if (there.all.some(({ id }) => !ids.includes(id))) return 'occupied';
    for (const enrolment of own.all) {
      const { id, version: _, ...rest } = enrolment;
      const data = await dataOf(enrolment);
      await this.#store.put(recordKey(to, id), JSON.stringify({ kind: 'enrolment', ...rest, data }));
    }
    const isListed = await this.#store.replace(listKey(to), there.version, printList(to, ids));
    if (!isListed || (await this.remove(from, own)) === undefined)
      throw new Failure('overloaded', 'store: an account was changed while its enrolments were moved', {
        hint: 'try again',
      });
    return 'moved';
  }

  /** The accounts that have set something up; undefined of one whose list does not name it. */
  async *accounts(): AsyncGenerator<Account | undefined, void, undefined> {
    for await (const { key, value } of this.#store.list('factor:')) {
      if (!key.endsWith(':list')) continue;
      const { ids, account } = parse(listSchema, value);
      if (ids.length > 0) yield account && accountNamed(account.subject, account.tenant);
    }
  }

  /** Takes all enrolments of an account off, also such as cannot be read. How many there were. */
  async clear(account: Account): Promise<number> {
    const keys = (await Array.fromAsync(this.#store.list(recordKey(account, '')))).map(({ key }) => key);
    const ids = keys.filter((key) => key !== listKey(account));
    // A list of none, and not no list: a setup that was allowed before, also to who never had anything, must not end up in it.
    await this.#store.put(listKey(account), printList(account, []));
    for (const key of ids) await this.#store.delete(key);
    return ids.length;
  }

  async #read(account: Account, id: string): Promise<Enrolment> {
    const stored = await this.#store.get(recordKey(account, id));
    if (!stored) throw unreadable('is listed and missing');
    const { kind: _, lastUsedAt, ...record } = parse(recordSchema, stored.value);
    return { ...record, id, version: stored.version, ...(lastUsedAt !== undefined && { lastUsedAt }) };
  }
}

function listKey(account: Account): string {
  return recordKey(account, 'list');
}

function recordKey(account: Account, id: string): string {
  return `factor:${accountKey(account)}:${id}`;
}

function printList({ tenant, subject }: Account, ids: readonly string[]): string {
  return JSON.stringify({ kind: 'list', ids, account: { tenant, subject } });
}

function parse<Output>(schema: z.ZodType<Output>, value: string): Output {
  const { success, data } = schema.safeParse(parseJson(value));
  if (!success) throw unreadable('is of another version, or was damaged');
  return data;
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

function unreadable(why: string): Failure {
  return new Failure('misconfigured', `store: an enrolment ${why}`, {
    hint: 'bring the store back from a backup; until then nobody passes for one who has no enrolment',
  });
}
