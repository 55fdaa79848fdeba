/**
 * Signing in with a passkey alone: the answer says whose it is, the key proves it, and the directory that vouched for its owner when
 * the key was set up is asked whether they may come in today. The browser keeps the question, sealed: a page costs the store nothing.
 */
import * as z from 'zod';
import { isSameAccount } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { FactorResponse, FirstOwner, KeyPage } from '../core/factor.ts';
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Proof } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import { SealKey } from '../core/seal.ts';
import { accountOf } from '../core/session.ts';
import type { ConfiguredFactor, Factors } from '../factors/factors.ts';
import { admitAt } from '../providers/chain.ts';
import type { AccountCuts } from '../sessions/account-cuts.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { AddressLockout } from '../users/address-lockout.ts';
import type { LoginDoor } from './admit.ts';
import type { Browsers } from './browser.ts';
import type { LoginContext, SignIn } from './sign-in.ts';

interface PasskeyParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly factors: Factors;
  readonly browsers: Pick<Browsers, 'deriveKey'>;
  readonly signIn: SignIn;
  readonly door: Pick<LoginDoor, 'placed'>;
  readonly cuts: Pick<AccountCuts, 'isCut'>;
  readonly lockout: Pick<AddressLockout, 'check' | 'fail'>;
  readonly recorder: Pick<Recorder, 'account'>;
}

/** A question, for the page; `sealed` comes back with the answer. */
interface PasskeyQuestion {
  readonly page: KeyPage;
  readonly sealed: string;
}

type Proved = { readonly kind: 'proved'; readonly vouched: Vouched; readonly proof: Proof };

/** Why nobody is let in. */
export type PasskeyFailure =
  /** No question of this browser, or one that is too old. */
  | { readonly kind: 'expired' }
  /** The key was not accepted, or its owner may not come in. */
  | { readonly kind: 'rejected'; readonly reason: Reason }
  /** In seconds. */
  | { readonly kind: 'locked'; readonly retryAfter: number }
  | { readonly kind: 'unavailable'; readonly reason: Reason };

/** An answer, and where it comes from. */
interface PasskeyAnswer {
  readonly fields: FactorResponse['fields'];
  readonly browser: string;
  readonly context: LoginContext & { readonly signal: AbortSignal };
}

const questionSchema = z.object({ at: z.number(), state: z.unknown() });
/** How long a question may wait for its answer, in milliseconds; the mark of one that was used outlives that. */
const maxAge = 10 * 60_000;
/** What is wrong with an answer, and not with its owner's account. */
const ofKey: ReadonlySet<Reason> = new Set(['key-foreign', 'key-counter', 'user-not-verified', 'code-replayed']);

/** Asks, and judges. */
export class PasskeyLogin {
  /** The factor that a login may begin with; undefined where there is none. */
  readonly offered: ConfiguredFactor | undefined;
  readonly #parts: PasskeyParts;
  readonly #key: SealKey;

  constructor(parts: PasskeyParts) {
    this.offered = parts.factors.all.find(({ factor }) => factor.first !== undefined);
    this.#parts = parts;
    this.#key = new SealKey(parts.browsers.deriveKey('question of a passkey'));
  }

  /** A fresh question for a browser; undefined where no login begins so. */
  async ask(browser: string): Promise<PasskeyQuestion | undefined> {
    const asked = await this.offered?.factor.first?.ask();
    if (!asked) return undefined;
    const question = JSON.stringify({ at: this.#parts.clock.now(), state: asked.state });
    return { page: asked.page, sealed: this.#key.seal(question, browser).toString('base64url') };
  }

  /**
   * Judges an answer: the key first, so that nobody has a directory asked about a stranger. Throws when the store is out of
   * reach.
   */
  async prove(answer: PasskeyAnswer): Promise<Proved | PasskeyFailure> {
    const { offered } = this;
    const { fields, context } = answer;
    const owner = await offered?.factor.first?.ownerOf(fields);
    const result = await this.#prove(answer, owner);
    if (result.kind === 'proved') return result;
    const reason = reasonOf(result);
    if (ofKey.has(reason)) this.#recordKey(context, owner, reason);
    const who = owner && { account: owner.account, provider: owner.provider };
    this.#parts.signIn.record('failed', context, { reason, ...who });
    return result;
  }

  async #prove(answer: PasskeyAnswer, owner: FirstOwner | undefined): Promise<Proved | PasskeyFailure> {
    const { lockout, clock, cuts } = this.#parts;
    const { fields, context } = answer;
    const { address } = context.client;
    const startedAt = clock.now();
    const permit = await lockout.check(address);
    if (permit.kind === 'locked') return { kind: 'locked', retryAfter: Math.ceil(permit.retryAfter / 1000) };
    const question = this.#questionIn(answer);
    if (!question) return { kind: 'expired' };
    const judged = await this.#judge(owner, question.state, answer);
    if (judged.kind === 'rejected') await lockout.fail(address, fields.get('answer') ?? '');
    if (judged.kind === 'locked') return { kind: 'unavailable', reason: 'factor-locked' };
    if (judged.kind !== 'verified' || !owner) return judged.kind === 'verified' ? { kind: 'expired' } : judged;
    this.#recordKey(context, owner);
    const found = await this.#find(owner, judged.proof, context.signal);
    // Who was signed out everywhere meanwhile is not let in by what they had then.
    const isCut = found.kind === 'proved' && (await cuts.isCut(owner.account, startedAt));
    return isCut ? { kind: 'rejected', reason: 'revoked' } : found;
  }

  #questionIn({ fields, browser }: PasskeyAnswer): z.output<typeof questionSchema> | undefined {
    const text = this.#key.open(Buffer.from(fields.get('question') ?? '', 'base64url'), browser);
    const question = text === undefined ? undefined : questionSchema.parse(JSON.parse(text));
    const age = question && this.#parts.clock.now() - question.at;
    return age !== undefined && age >= 0 && age <= maxAge ? question : undefined;
  }

  async #judge(owner: FirstOwner | undefined, state: unknown, { fields, context }: PasskeyAnswer) {
    const { offered } = this;
    if (!owner || !offered) return { kind: 'rejected', reason: 'key-foreign' } as const;
    return this.#parts.factors.verify(offered, owner.account, { fields, state, signal: context.signal });
  }

  /** The owner of a key as their directory knows them today. */
  async #find(owner: FirstOwner, proof: Proof, signal: AbortSignal): Promise<Proved | PasskeyFailure> {
    const { signIn, log } = this.#parts;
    const link = signIn.chain.find(({ name }) => name === owner.provider);
    // Who came by a ticket or an identity provider signs in there.
    if (!link?.provider.admit) return { kind: 'rejected', reason: 'provider-gone' };
    const outcome = await admitAt(link, owner.account.subject, signal, log);
    switch (outcome.kind) {
      case 'authenticated':
        return this.#vouch(outcome, owner, proof, signal);
      case 'rejected':
      case 'unavailable':
        return { kind: outcome.kind, reason: outcome.reason };
      case 'unknown-user':
      case 'challenge':
      case 'continue':
        return { kind: 'rejected', reason: 'unknown-user' };
      default:
        return outcome satisfies never;
    }
  }

  async #vouch(
    outcome: Extract<Outcome, { kind: 'authenticated' }>,
    { account, provider }: FirstOwner,
    proof: Proof,
    signal: AbortSignal,
  ): Promise<Proved | PasskeyFailure> {
    const { signIn, door } = this.#parts;
    const refused = await signIn.refuse(outcome, provider, signal);
    if (refused) return { kind: refused.kind, reason: refused.reason };
    const { assertion, ...who } = signIn.vouched(outcome, provider);
    // The directory says who it is; of what they have proved it says nothing.
    const vouched = { ...who, assertion: { ...assertion, amr: proof.amr } };
    if (!isSameAccount(accountOf({ ...vouched, tenant: account.tenant }), account))
      return { kind: 'rejected', reason: 'unknown-user' };
    // A key is of one account, and an account of one tenant.
    const placed = door.placed(vouched, account.tenant);
    return placed ? { kind: 'proved', vouched: placed, proof } : { kind: 'rejected', reason: 'tenant-changed' };
  }

  /** Writes how a key was judged, and whose it is by its own word. */
  #recordKey({ client, requestId }: LoginContext, owner: FirstOwner | undefined, reason?: Reason): void {
    const { offered } = this;
    this.#parts.recorder.account({
      ...{ event: 'factor', outcome: reason === undefined ? 'succeeded' : 'failed', client, requestId },
      ...(offered && { factor: offered.name }),
      ...(owner && { account: owner.account, provider: owner.provider }),
      ...(reason && { reason }),
    });
  }
}

function reasonOf(failure: PasskeyFailure): Reason {
  if (failure.kind === 'expired') return 'flow-expired';
  return failure.kind === 'locked' ? 'too-many-failures' : failure.reason;
}
