/**
 * The enrolments of accounts in the shared store. A list says which there are, and each has a record: one that is listed and
 * cannot be read is an outage, never an absence, or its loss would let the next comer enrol. The store seals both, with the
 * account in the key as associated data.
 */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { type Account, accountKey } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Enrolment } from '../core/factor.ts';
import { Failure } from '../core/failure.ts';
import type { Store } from '../core/store.ts';

const listSchema = z.looseObject({ kind: z.literal('list'), ids: z.array(z.string().regex(/^[\w-]{16}$/)) });

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
    const isListed = await this.#store.replace(listKey(account), after.version, JSON.stringify({ kind: 'list', ids }));
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
    const isListed = await this.#store.replace(listKey(account), version, JSON.stringify({ kind: 'list', ids: left }));
    if (!isListed) return undefined;
    for (const { id } of gone) await this.#store.delete(recordKey(account, id));
    return gone;
  }

  /** Takes all enrolments of an account off, also such as cannot be read. How many there were. */
  async clear(account: Account): Promise<number> {
    const keys = (await Array.fromAsync(this.#store.list(recordKey(account, '')))).map(({ key }) => key);
    const ids = keys.filter((key) => key !== listKey(account));
    await this.#store.delete(listKey(account));
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
