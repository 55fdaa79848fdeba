/**
 * Passes: codes that a supervisor or an operator makes for somebody who has no key at hand. An account has one at most; a new
 * one takes the place of the old. What is kept is a keyed digest, who has made it, and how often it may still be used.
 */
import { createHmac, type KeyObject, randomInt, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { type Account, accountKey } from '../../core/account.ts';
import type { Clock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import type { Sealer } from '../../core/seal.ts';
import type { Store } from '../../core/store.ts';

const recordSchema = z.object({
  digest: z.string(),
  /** Who has made it. */
  issuer: z.string(),
  uses: z.int().min(0),
  until: z.number(),
  /** Whether a factor may be set up by it. */
  enrols: z.boolean(),
  /** Roles beside which an account may have no other to come in by it; any when absent, as of one that an operator has made. */
  roles: z.array(z.string()).optional(),
});

/** What an account has, as others may see it. */
export type Pass = Omit<z.output<typeof recordSchema>, 'digest'>;

/** What a new pass may do. Times in milliseconds. */
export interface PassTerms {
  readonly issuer: string;
  readonly valid: number;
  readonly uses: number;
  readonly enrols: boolean;
  /** Roles beside which the account may have no other when it is used. */
  readonly roles?: readonly string[];
}

const halfDay = 12 * 60 * 60_000;
/** As many logins as a shift can take. */
const manyUses = 1000;
const configuredSchema = z.object({
  type: z.literal('pass'),
  valid: z.number(),
  uses: z.union([z.number(), z.literal('shift')]),
  enrols: z.boolean(),
});

/** The terms by which passes are made: those of the configured factor; where there is none, half a day and one use. */
export function passTerms(factors: Readonly<Record<string, unknown>>): Omit<PassTerms, 'issuer' | 'roles'> {
  for (const one of Object.values(factors)) {
    const { data } = configuredSchema.safeParse(one);
    if (data) return { valid: data.valid, uses: data.uses === 'shift' ? manyUses : data.uses, enrols: data.enrols };
  }
  return { valid: halfDay, uses: 1, enrols: true };
}

/** What using a code comes to. */
type PassUse = { readonly kind: 'used'; readonly pass: Pass } | { readonly kind: 'wrong' } | { readonly kind: 'spent' };

/** How many digits a pass has, and a code by which something is set up. */
export const codeDigits = 8;

/** What the codes are for: each kind has records and keys of its own. */
const kinds = {
  pass: { key: 'pass', purpose: 'digests of passes' },
  enrolment: { key: 'enrolment-code', purpose: 'digests of enrolment codes' },
} as const;

const tries = 50;

/** The passes of a site. Every method throws when the store is out of reach or a pass cannot be read. */
export class Passes {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #sealer: Sealer;
  readonly #kind: (typeof kinds)[keyof typeof kinds];

  constructor(
    { store, clock, sealer }: { store: Store; clock: Clock; sealer: Sealer },
    kind: keyof typeof kinds = 'pass',
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#sealer = sealer;
    this.#kind = kinds[kind];
  }

  /** Makes one and gives its code, eight digits, which nobody sees again. */
  async issue(account: Account, { issuer, valid, uses, enrols, roles }: PassTerms): Promise<string> {
    const code = Array.from({ length: codeDigits }, () => randomInt(10)).join('');
    const [key] = this.#sealer.derive(this.#kind.purpose);
    if (!key) throw new Error('there is no key for digests');
    const until = this.#clock.now() + valid;
    const digest = this.#digest(key, account, code).toString('base64url');
    await this.#store.put(this.#keyOf(account), JSON.stringify({ digest, issuer, uses, until, enrols, roles }), until);
    return code;
  }

  /** What an account has and may still use. */
  async of(account: Account): Promise<Pass | undefined> {
    const found = await this.#read(account);
    if (!found || found.record.uses === 0) return undefined;
    const { digest: _, ...pass } = found.record;
    return pass;
  }

  /** Whether a code is right and may still be used by somebody with these roles. Uses nothing up. */
  async fits(account: Account, code: string, roles: ReadonlySet<string>): Promise<boolean> {
    const found = await this.#read(account);
    if (!found || found.record.uses === 0 || !this.#isRight(account, code, found.record)) return false;
    const { roles: most } = found.record;
    return [...roles].every((role) => most?.includes(role) ?? true);
  }

  /** Uses a code once; of many at once no more than it has uses. */
  async use(account: Account, code: string): Promise<PassUse> {
    for (let attempt = 0; attempt < tries; attempt++) {
      const found = await this.#read(account);
      if (!found) return { kind: 'wrong' };
      const { record, version } = found;
      if (!this.#isRight(account, code, record)) return { kind: 'wrong' };
      if (record.uses === 0) return { kind: 'spent' };
      const used = { ...record, uses: record.uses - 1 };
      if (await this.#store.replace(this.#keyOf(account), version, JSON.stringify(used), record.until)) {
        const { digest: _, ...pass } = used;
        return { kind: 'used', pass };
      }
    }
    throw new Failure('overloaded', 'store: too many writers at once on a pass');
  }

  /** Ends what an account has; false where it has none. */
  end(account: Account): Promise<boolean> {
    return this.#store.delete(this.#keyOf(account));
  }

  async #read(account: Account) {
    const stored = await this.#store.get(this.#keyOf(account));
    if (!stored) return undefined;
    const { success, data } = recordSchema.safeParse(parseJson(stored.value));
    if (!success)
      throw new Failure('misconfigured', 'store: a pass is of another version, or was damaged', {
        hint: 'make a new one',
      });
    return data.until > this.#clock.now() ? { record: data, version: stored.version } : undefined;
  }

  #isRight(account: Account, code: string, { digest }: z.output<typeof recordSchema>): boolean {
    const right = Buffer.from(digest, 'base64url');
    const keys = this.#sealer.derive(this.#kind.purpose);
    return keys.some((key) => timingSafeEqual(this.#digest(key, account, code), right));
  }

  #keyOf(account: Account): string {
    return `${this.#kind.key}:${accountKey(account)}`;
  }

  #digest(key: KeyObject, account: Account, code: string): Buffer {
    return createHmac('sha256', key)
      .update(JSON.stringify([this.#kind.key, accountKey(account), code]))
      .digest();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
