/** What an operator or a supervisor does with the factors of an account: look, take off, release, hand out a code. Shows no secret. */
import type { Account } from '../core/account.ts';
import { Failure } from '../core/failure.ts';
import type { KnownBrowsers } from '../sessions/known.ts';
import type { KnownBrowser } from '../sessions/known-record.ts';
import { readName } from './code.ts';
import type { Factors } from './factors.ts';
import type { EnrolmentOpening } from './opening.ts';
import type { Pass, Passes, PassTerms } from './pass/passes.ts';
import { credentialSchema } from './webauthn/credential.ts';

/** An enrolment as others may see it. Times are milliseconds since the epoch. */
interface ShownEnrolment {
  readonly id: string;
  readonly factor: string;
  readonly type: string | undefined;
  readonly name: string;
  readonly createdAt: number;
  readonly lastUsedAt?: number | undefined;
  /** Uses that are left, where they are counted. */
  readonly left?: number;
}

/** What an account has. */
export interface AccountFactors {
  readonly enrolments: readonly ShownEnrolment[];
  readonly lock: { readonly kind: 'open' } | { readonly kind: 'locked'; readonly retryAfter?: number };
  readonly pass?: Pass;
  readonly browsers: readonly KnownBrowser[];
}

/** What came of asking for an enrolment code; it is of no use to who has a factor. `valid` in milliseconds. */
type CodeIssue =
  | { readonly kind: 'issued'; readonly code: string; readonly valid: number }
  | { readonly kind: 'has-factors' };

/** What became of one that was to be taken off. */
type Removed = 'removed' | 'absent';

const tries = 20;

/** Works on the factors of a configuration. Every method throws when the store is out of reach. */
export class FactorDesk {
  readonly #factors: Factors;
  readonly #passes: Passes;
  readonly #known: Pick<KnownBrowsers, 'of' | 'forget'>;
  readonly #opening: Pick<EnrolmentOpening, 'issue' | 'use' | 'first' | 'hasLost' | 'acceptLoss'>;

  constructor(
    factors: Factors,
    passes: Passes,
    known: Pick<KnownBrowsers, 'of' | 'forget'>,
    opening: Pick<EnrolmentOpening, 'issue' | 'use' | 'first' | 'hasLost' | 'acceptLoss'>,
  ) {
    this.#opening = opening;
    this.#factors = factors;
    this.#passes = passes;
    this.#known = known;
  }

  /** What an account has set up, and whether it is locked. */
  async show(account: Account): Promise<AccountFactors> {
    const { enrolments, limits } = this.#factors;
    const { all } = await enrolments.of(account);
    const shown = await Promise.all(
      all.map(async (enrolment): Promise<ShownEnrolment> => {
        const { id, factor, name, createdAt, lastUsedAt } = enrolment;
        const configured = this.#factors.find(factor);
        const left = await configured?.factor.stock?.(account, [enrolment]);
        return { id, factor, type: configured?.type, name, createdAt, lastUsedAt, ...(left !== undefined && { left }) };
      }),
    );
    const pass = await this.#passes.of(account);
    const browsers = await this.#known.of(account);
    return { enrolments: shown, lock: await limits.standing(account), browsers, ...(pass && { pass }) };
  }

  /** Takes one enrolment off, and forgets the browsers that may have been remembered by it. */
  async remove(account: Account, id: string): Promise<Removed> {
    for (let attempt = 0; attempt < tries; attempt++) {
      const has = await this.#factors.enrolments.of(account);
      const gone = await this.#factors.enrolments.remove(account, has, [id]);
      if (!gone) continue;
      for (const enrolment of gone) await this.#factors.find(enrolment.factor)?.factor.forget?.(account, enrolment);
      if (gone.length > 0) await this.#known.forget(account);
      return gone.length > 0 ? 'removed' : 'absent';
    }
    throw new Failure('overloaded', 'store: too many writers at once on the enrolments of an account');
  }

  /** Gives an enrolment another name; nothing happens where there is none of that id. */
  async rename(account: Account, id: string, name: string): Promise<void> {
    for (let attempt = 0; attempt < tries; attempt++) {
      const { all } = await this.#factors.enrolments.of(account);
      const enrolment = all.find((one) => one.id === id);
      if (!enrolment || (await this.#factors.enrolments.replace(account, { ...enrolment, name: readName(name) })))
        return;
    }
    throw new Failure('overloaded', 'store: too many writers at once on an enrolment');
  }

  /** Forgets one browser of an account, or all. How many there were. */
  forgetBrowsers(account: Account, id?: string): Promise<number> {
    return this.#known.forget(account, id);
  }

  /** Takes everything off: enrolments, also such as cannot be read, passes, and remembered browsers. How many enrolments there were. */
  async reset(account: Account): Promise<number> {
    // What can be read tells what else is to go; what cannot goes all the same.
    const { all } = await this.#factors.enrolments.of(account).catch(() => ({ all: [] }));
    const count = await this.#factors.enrolments.clear(account);
    for (const enrolment of all)
      await this.#factors
        .find(enrolment.factor)
        ?.factor.forget?.(account, enrolment)
        .catch(() => undefined);
    await this.#passes.end(account);
    await this.#opening.use(account);
    await this.#known.forget(account);
    return count;
  }

  /**
   * Gives what an account has set up to another one, by which its user is known from here on: renamed, or of a tenant. The count of
   * wrong codes goes along; codes that were made, and remembered browsers, end.
   */
  async move(from: Account, to: Account): Promise<'moved' | 'none' | 'occupied'> {
    const outcome = await this.#factors.enrolments.move(from, to, async (enrolment) => {
      const factor = this.#factors.find(enrolment.factor)?.factor;
      return factor?.carry ? factor.carry(from, to, enrolment) : enrolment.data;
    });
    if (outcome !== 'moved') return outcome;
    await this.#factors.limits.carry(from, to);
    await this.#passes.end(from);
    await this.#opening.use(from);
    await this.#known.forget(from);
    return outcome;
  }

  /** The accounts that have set something up; undefined of one of which nobody can tell who it is. */
  accounts(): AsyncIterable<Account | undefined> {
    return this.#factors.enrolments.accounts();
  }

  /** How many keys there are, by the host for which they were made. */
  async keyHosts(): Promise<ReadonlyMap<string, number>> {
    const hosts = new Map<string, number>();
    for await (const account of this.accounts())
      for (const { data } of account ? (await this.#factors.enrolments.of(account)).all : []) {
        const key = credentialSchema.safeParse(data);
        if (key.success) hosts.set(key.data.rpId, (hosts.get(key.data.rpId) ?? 0) + 1);
      }
    return hosts;
  }

  /** Releases an account that is locked; false where nothing was counted. What was remembered before the lock ends with it. */
  async unlock(account: Account): Promise<boolean> {
    if (await this.#factors.limits.hasLocked(account)) await this.#known.forget(account);
    return this.#factors.limits.unlock(account);
  }

  /** Makes a code by which the first factor of an account is set up. */
  async issueCode(account: Account, issuer: string, roles?: readonly string[]): Promise<CodeIssue> {
    const { all } = await this.#factors.enrolments.of(account);
    if (all.length > 0) return { kind: 'has-factors' };
    return { kind: 'issued', ...(await this.#opening.issue(account, issuer, roles)) };
  }

  /** Whether the store may have lost what accounts had set up. */
  async hasLost(): Promise<boolean> {
    return this.#factors.all.length > 0 && (await this.#opening.hasLost());
  }

  /** The operator has seen that; false where nothing was lost. */
  acceptLoss(): Promise<boolean> {
    return this.#opening.acceptLoss();
  }

  /** Whether the first factor of an account takes a code at this moment. */
  async asksForCode(): Promise<boolean> {
    return (await this.#opening.first()) === 'code';
  }

  /** Makes a pass, and gives its code. */
  issue(account: Account, terms: PassTerms): Promise<string> {
    return this.#passes.issue(account, terms);
  }
}
