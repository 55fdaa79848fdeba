/** A supervisor's pass as a factor: the code stands in for a key that was left at home. Who may make one, and for whom, is the portal's. */
import * as z from 'zod';
import { duration } from '../../config/values.ts';
import type { Account } from '../../core/account.ts';
import type { AskOutcome, AskTerms, Enrolment, Factor, FactorOutcome, FactorResponse } from '../../core/factor.ts';
import { readCode } from '../code.ts';
import { defineFactor, type FactorContext, secondProof } from '../define.ts';
import { codeDigits, Passes } from './passes.ts';

const options = z.strictObject({
  issuers: z.array(z.string()).min(1).describe('the roles that may make passes'),
  for: z.array(z.string()).min(1).describe('the roles of those for whom they are made'),
  valid: duration()
    .refine((valid) => valid > 0, 'is no time')
    .prefault('12h')
    .describe('how long a pass can be used'),
  uses: z
    .union([z.int().min(1).max(100), z.literal('shift')])
    .default(1)
    .describe('logins by one pass; shift: as many as it takes until the pass ends'),
  enrols: z.boolean().default(true).describe('whether a new key or app may be set up by a pass'),
});

class PassFactor implements Factor {
  readonly canBeGuessed = true;
  readonly isNetworked = false;
  readonly isStandIn = true;
  readonly letsEnrol: boolean;
  readonly #context: FactorContext;
  readonly #passes: Passes;

  constructor({ enrols }: { readonly enrols: boolean }, context: FactorContext) {
    this.letsEnrol = enrols;
    this.#context = context;
    this.#passes = new Passes(context);
  }

  /** Not into an account that may do more by now, or by another provider, than who has made it: a pass is of an account, and names no provider. */
  async isUsable(
    account: Account,
    _enrolments: readonly Enrolment[],
    { roles }: Pick<AskTerms, 'roles'>,
  ): Promise<boolean> {
    const pass = await this.#passes.of(account);
    return pass !== undefined && [...roles].every((role) => pass.roles?.includes(role) ?? true);
  }

  async ask(account: Account, enrolments: readonly Enrolment[], terms: AskTerms): Promise<AskOutcome> {
    if (!(await this.isUsable(account, enrolments, terms))) return { kind: 'refused', reason: 'factor-missing' };
    return { kind: 'asked', challenge: { page: { kind: 'code', digits: codeDigits } } };
  }

  async verify(account: Account, { fields }: FactorResponse): Promise<FactorOutcome> {
    const code = readCode(fields.get('code'), codeDigits);
    if (code === undefined) return { kind: 'rejected', reason: 'code-wrong' };
    const use = await this.#passes.use(account, code);
    switch (use.kind) {
      case 'used':
        return { kind: 'verified', proof: secondProof(this.#context, account, ['otp']) };
      case 'spent':
        return { kind: 'rejected', reason: 'pass-spent' };
      case 'wrong':
        return { kind: 'rejected', reason: 'code-wrong' };
      default:
        throw use satisfies never;
    }
  }
}

/** The `pass` kind of factor. */
export const pass = defineFactor({ options, gives: 2, create: (given, context) => new PassFactor(given, context) });
