/**
 * Recovery codes: ten that are shown once and printed, each for the day on which another factor is lost. In the store stands a
 * keyed digest of each, which is taken away by its use.
 */
import { createHmac, type KeyObject, randomBytes, randomInt } from 'node:crypto';
import * as z from 'zod';
import { type Account, accountKey } from '../../core/account.ts';
import type {
  AskOutcome,
  Enrolling,
  Enrolment,
  EnrolmentOffer,
  EnrolOutcome,
  Factor,
  FactorOutcome,
  FactorResponse,
} from '../../core/factor.ts';
import { defineFactor, type FactorContext, secondProof } from '../define.ts';

const options = z.strictObject({
  count: z.int().min(5).max(20).default(10).describe('codes that are made at once'),
});

/** Crockford's alphabet: no letter that is read as a digit, and none that makes words. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const length = 10;
const purpose = 'digests of recovery codes';

/** The set binds its codes: those of an earlier one are worth nothing. */
const dataSchema = z.strictObject({
  set: z.string(),
  /** Under which account the codes stand, where it was another's. */
  account: z.string().optional(),
});
const stateSchema = z.strictObject({ codes: z.array(z.string()) });

class RecoveryFactor implements Factor {
  readonly canBeGuessed = true;
  readonly isNetworked = false;
  readonly isSpare = true;
  readonly enrol: Enrolling = {
    begin: async () => this.#begin(),
    finish: (account, response) => this.#finish(account, response),
  };
  readonly #count: number;
  readonly #context: FactorContext;

  constructor({ count }: { readonly count: number }, context: FactorContext) {
    this.#count = count;
    this.#context = context;
  }

  async isUsable(account: Account, enrolments: readonly Enrolment[]): Promise<boolean> {
    return (await this.stock(account, enrolments)) > 0;
  }

  /** How many codes an account has left. */
  async stock(account: Account, enrolments: readonly Enrolment[]): Promise<number> {
    const { store, clock } = this.#context;
    let left = 0;
    for (const { data } of enrolments) left += await store.count(prefixOf(account, data), clock.now());
    return left;
  }

  async ask(account: Account, enrolments: readonly Enrolment[]): Promise<AskOutcome> {
    if (!(await this.isUsable(account, enrolments))) return { kind: 'refused', reason: 'factor-missing' };
    return { kind: 'asked', challenge: { page: { kind: 'code' } } };
  }

  async verify(account: Account, { fields, enrolments }: FactorResponse): Promise<FactorOutcome> {
    const code = readRecoveryCode(fields.get('code'));
    if (code === undefined) return { kind: 'rejected', reason: 'code-wrong' };
    for (const enrolment of enrolments) {
      const { set, account: own = accountKey(account) } = dataSchema.parse(enrolment.data);
      for (const key of this.#context.sealer.derive(purpose))
        if ((await this.#context.store.take(this.#keyOf(key, own, set, code))) !== undefined)
          return { kind: 'verified', proof: secondProof(this.#context, account, ['otp']) };
    }
    return { kind: 'rejected', reason: 'code-wrong' };
  }

  async forget(account: Account, { data }: Enrolment): Promise<void> {
    const { store } = this.#context;
    for (const { key } of await Array.fromAsync(store.list(prefixOf(account, data)))) await store.delete(key);
  }

  /** The digests are bound to the account for which the codes were printed. */
  async carry(from: Account, _to: Account, { data }: Enrolment): Promise<unknown> {
    return { account: accountKey(from), ...dataSchema.parse(data) };
  }

  #begin(): EnrolmentOffer {
    const codes = Array.from({ length: this.#count }, () =>
      Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join(''),
    );
    return {
      state: { codes },
      page: { kind: 'spare-codes', codes: codes.map((code) => `${code.slice(0, 5)}-${code.slice(5)}`) },
    };
  }

  async #finish(account: Account, { fields, state }: FactorResponse): Promise<EnrolOutcome> {
    const { codes } = stateSchema.parse(state);
    if (fields.get('kept') !== 'yes') return { kind: 'rejected', reason: 'enrolment-unfinished' };
    const { store, sealer } = this.#context;
    const [key] = sealer.derive(purpose);
    if (!key) throw new Error('there is no key for digests');
    const set = randomBytes(9).toString('base64url');
    for (const code of codes) await store.put(this.#keyOf(key, accountKey(account), set, code), '1');
    return { kind: 'enrolled', data: { set } };
  }

  #keyOf(key: KeyObject, account: string, set: string, code: string): string {
    const digest = createHmac('sha256', key)
      .update(JSON.stringify([this.#context.name, account, set, code]))
      .digest('base64url');
    return `recovery:${account}:${set}.${digest}`;
  }
}

function prefixOf(account: Account, data: unknown): string {
  const { set, account: own = accountKey(account) } = dataSchema.parse(data);
  return `recovery:${own}:${set}.`;
}

/** A code as people type it: in any case, with blanks and hyphens, with the letters that look like digits. */
function readRecoveryCode(typed: string | undefined): string | undefined {
  if (typed === undefined || typed.length > 64) return undefined;
  const code = typed
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[\s\p{Pd}]/gu, '')
    .replace(/[IL]/g, '1')
    .replace(/O/g, '0');
  return code.length === length && [...code].every((sign) => alphabet.includes(sign)) ? code : undefined;
}

/** The `recovery` kind of factor. */
export const recovery = defineFactor({
  options,
  gives: 2,
  create: (given, context) => new RecoveryFactor(given, context),
});
