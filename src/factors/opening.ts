/**
 * Who may set up the first factor of an account: whoever has the first proof, or whoever has an enrolment code besides, which an
 * operator or a supervisor makes. Without that, whoever knows a password enrols before its owner does.
 */
import type { Account } from '../core/account.ts';
import type { AskTerms } from '../core/factor.ts';
import type { Reason } from '../core/reason.ts';
import { readCode } from './code.ts';
import type { EnrolmentMark } from './enrolment-mark.ts';
import type { FactorLimits } from './limits.ts';
import type { FactorRules } from './options.ts';
import { codeDigits, type Passes } from './pass/passes.ts';

type FirstRule = FactorRules['enrol']['first'];

/** How long an enrolment code can be used, in milliseconds. */
const codeLasts = 24 * 60 * 60_000;

/** What a typed code comes to. */
type Entered =
  | { readonly kind: 'right'; readonly code: string }
  | { readonly kind: 'refused'; readonly reason: Reason; readonly retryAfter?: number };

/** What it works with. */
interface OpeningParts {
  readonly first: FirstRule;
  readonly mark: Pick<EnrolmentMark, 'isLost' | 'accept'>;
  readonly codes: Passes;
  readonly limits: Pick<FactorLimits, 'enter' | 'fail' | 'release'>;
}

/** Opens accounts to their first factor. Every method throws when the store is out of reach. */
export class EnrolmentOpening {
  readonly #parts: OpeningParts;

  constructor(parts: OpeningParts) {
    this.#parts = parts;
  }

  /** The rule of this moment: that enrolments were lost is no reason to enrol. */
  async first(): Promise<FirstRule> {
    const { first, mark } = this.#parts;
    return first === 'open' && (await mark.isLost()) ? 'code' : first;
  }

  /** Whether the store is not the one in which accounts have set up what they have. */
  hasLost(): Promise<boolean> {
    return this.#parts.mark.isLost();
  }

  /** The operator goes on without what is gone; false where nothing is. */
  acceptLoss(): Promise<boolean> {
    return this.#parts.mark.accept();
  }

  /** Whether a code is wanted that is not there; one that was entered counts as long as nobody has used it or made another. */
  async lacksCode(account: Account, entered: string | undefined, roles: ReadonlySet<string>): Promise<boolean> {
    if ((await this.first()) !== 'code') return false;
    return entered === undefined || !(await this.#parts.codes.fits(account, entered, roles));
  }

  /** Makes a code, in the place of the one before; of no use to the account once it has a role beside these, where they are given. */
  async issue(
    account: Account,
    issuer: string,
    roles?: readonly string[],
  ): Promise<{ readonly code: string; readonly valid: number }> {
    const terms = { issuer, valid: codeLasts, uses: 1, enrols: true, ...(roles && { roles }) };
    return { code: await this.#parts.codes.issue(account, terms), valid: codeLasts };
  }

  /** Judges a code as it is typed. A wrong one is counted like that of a factor; a right one sets nothing back. */
  async enter(
    account: Account,
    typed: string | undefined,
    { roles, signal }: Pick<AskTerms, 'roles' | 'signal'>,
  ): Promise<Entered> {
    const { codes, limits } = this.#parts;
    const permit = await limits.enter(account, signal);
    if (permit.kind === 'locked') {
      const { retryAfter } = permit;
      return { kind: 'refused', reason: 'factor-locked', ...(retryAfter !== undefined && { retryAfter }) };
    }
    const code = readCode(typed, codeDigits);
    const isRight = code !== undefined && (await codes.fits(account, code, roles));
    await (isRight ? limits.release(account) : limits.fail(account));
    return isRight ? { kind: 'right', code } : { kind: 'refused', reason: 'code-wrong' };
  }

  /** Something was set up by a code, which ends with that: who has made it. */
  async use(account: Account): Promise<string | undefined> {
    const { codes } = this.#parts;
    const code = await codes.of(account);
    await codes.end(account);
    return code?.issuer;
  }
}
