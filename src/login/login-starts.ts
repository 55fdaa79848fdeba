/** How logins that take more than one step begin: after a first proof, before a new password, or on top of a session. */
import type { Proof } from '../core/proof.ts';
import { accountOf, type Session } from '../core/session.ts';
import { type Demand, shortfall } from '../policy/levels.ts';
import type { ChainResult } from '../providers/chain.ts';
import type { PendingLogin } from '../sessions/pending.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { LoginsUnderWay } from './logins-under-way.ts';
import type { SignIn } from './sign-in.ts';
import type { FactParts } from './step-facts.ts';
import type { StepContext } from './step-result.ts';
import { levelBeforePassword } from './tenant-choice.ts';

/** The first proof of somebody, and where the login leads. */
export interface FirstProof {
  readonly vouched: Vouched;
  readonly chain?: ChainResult | undefined;
  readonly returnTo: string;
  /** Where somebody has proved themselves by something else than the provider's word. */
  readonly proof?: Proof | undefined;
}

/** How a login begins by a first proof. */
export interface LoginBeginning extends FirstProof {
  /** A code may be sent at once. */
  readonly isPosted: boolean;
  /** No page was asked for by its user: no session begins by a browser that is remembered. */
  readonly isAmbient?: true;
}

/** What begins them. */
export interface StartParts extends FactParts {
  readonly signIn: SignIn;
}

/** What somebody who is signed in is to prove, and what they want to set up then. */
interface StepUpWish {
  readonly session: Session;
  readonly demand: Demand;
  readonly returnTo: string;
  readonly spare?: string;
}

/** A login that has begun, and the cookies that find it again. */
type Started = Awaited<ReturnType<LoginsUnderWay['begin']>>;

/** Begins them. */
export class LoginStarts {
  readonly #parts: StartParts;
  readonly #underWay: LoginsUnderWay;

  constructor(parts: StartParts, underWay: LoginsUnderWay) {
    this.#parts = parts;
    this.#underWay = underWay;
  }

  /** A provider has vouched for somebody, and that is not enough. */
  login({ vouched, chain, returnTo, proof }: FirstProof, context: StepContext): Promise<Started> {
    const proofs = [proof ?? this.#parts.door.firstProof(vouched)] as const;
    this.#record(vouched, chain, context);
    return this.#underWay.begin({ returnTo, vouched, proofs }, context);
  }

  /**
   * The password of somebody was right and has to change: a login that asks for the factors first, also where only the account has
   * one and the login would take none. Undefined where nothing comes before the new password.
   */
  async newPassword(
    { vouched, chain, returnTo, newPassword }: FirstProof & Pick<PendingLogin, 'newPassword'>,
    context: StepContext,
  ): Promise<Started | undefined> {
    const { door, worth, clock } = this.#parts;
    const proofs = [door.firstProof(vouched)] as const;
    const level = await levelBeforePassword(this.#parts, vouched, context);
    const isPlaced = door.tenantsOf(vouched) === 'one';
    if (isPlaced && shortfall(proofs, { level }, worth, clock.now()) === undefined) return undefined;
    this.#record(vouched, chain, context);
    const start = { returnTo, vouched, proofs, demand: { level }, ...(newPassword && { newPassword }) };
    return this.#underWay.begin(start, context);
  }

  /** Somebody who is signed in is to prove more. */
  stepUp({ session, demand, returnTo, spare }: StepUpWish, context: StepContext): Promise<Started> {
    const { id, tenant, assertion, provider, proofs, grant } = session;
    const vouched = { tenant, assertion, provider, ...(grant && { grant }) };
    const start = { session: id, vouched, proofs, demand, returnTo, ...(spare !== undefined && { spare }) };
    return this.#underWay.begin(start, context);
  }

  #record(vouched: Vouched, chain: ChainResult | undefined, context: StepContext): void {
    const { provider } = vouched;
    this.#parts.signIn.record('pending', context, { chain, provider, account: accountOf(vouched) });
  }
}
