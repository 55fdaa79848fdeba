/**
 * The configured factors, as a login works with them: asked in time, whatever they do, with attempts counted before anything is
 * compared, and with what is one-time consumed by compare-and-set.
 */
import type { Account } from '../core/account.ts';
import type {
  AskOutcome,
  AskTerms,
  Enrolment,
  EnrolmentOffer,
  EnrolOutcome,
  Factor,
  FactorOutcome,
  FactorResponse,
} from '../core/factor.ts';
import { Failure } from '../core/failure.ts';
import type { Log } from '../core/log.ts';
import type { Reason } from '../core/reason.ts';
import type { WordsForVisitors } from '../core/route.ts';
import type { Mailer } from '../messages/mailer.ts';
import type { BreakerSnapshot } from '../remote/circuit-breaker.ts';
import { type CalledFactor, callFactor } from './call-factor.ts';
import type { AccountEnrolments, Enrolments } from './enrolments.ts';
import type { Enrolled, Judged } from './judged.ts';
import type { FactorLimits } from './limits.ts';

/** One of `factors:`. */
export interface ConfiguredFactor extends CalledFactor {
  /** Of the server that it asks, as it is configured. */
  readonly identity?: string;
  readonly type: string;
  readonly label?: WordsForVisitors | undefined;
  readonly gives: 2 | 3;
}

/** Whom a factor is asked about, and with what. */
interface FactorQuestion {
  readonly account: Account;
  readonly terms: AskTerms;
}

/** A right answer whose record others keep writing over is asked about again so often. */
const maxTurns = 100;

/** What is said of a code that was right once, and of what was no entry of a code. */
const uncounted: ReadonlySet<Reason> = new Set([
  ...(['code-replayed', 'pass-spent'] as const),
  ...(['contact-missing', 'too-many-sends', 'budget-spent', 'send-failed'] as const),
]);

/** Asks factors. No method throws for what a factor does; all of them throw when the store is out of reach. */
export class Factors {
  readonly all: readonly ConfiguredFactor[];
  readonly enrolments: Enrolments;
  readonly limits: FactorLimits;
  readonly #log: Log;
  /** Of the site; absent where no mails are sent. */
  readonly mailer: Mailer | undefined;

  constructor(parts: {
    all: readonly ConfiguredFactor[];
    enrolments: Enrolments;
    limits: FactorLimits;
    log: Log;
    mailer?: Mailer | undefined;
  }) {
    this.all = parts.all;
    this.enrolments = parts.enrolments;
    this.limits = parts.limits;
    this.#log = parts.log;
    this.mailer = parts.mailer;
  }

  /** The factor of a name; undefined for one that is not configured. */
  find(name: string | undefined): ConfiguredFactor | undefined {
    return this.all.find((one) => one.name === name);
  }

  /** How the servers stand that some of them ask. */
  standing(): readonly { readonly factor: string; readonly identity: string; readonly snapshot: BreakerSnapshot }[] {
    return this.all.flatMap(({ name, breaker, identity }) =>
      breaker && identity !== undefined ? [{ factor: name, identity, snapshot: breaker.snapshot() }] : [],
    );
  }

  /** Those that an account can be asked for, in the order of the configuration. */
  async usable({ account, terms }: FactorQuestion, { all }: AccountEnrolments): Promise<readonly ConfiguredFactor[]> {
    const usable = await Promise.all(
      this.all.map(async (one) => {
        const own = ownOf(one, all);
        return one.factor.isUsable ? one.factor.isUsable(account, own, terms) : own.length > 0;
      }),
    );
    return this.all.filter((_, index) => usable[index]);
  }

  /** Whether an account can set one up, so far as the factor goes. */
  isOffered(
    { factor, name }: ConfiguredFactor,
    terms: Pick<AskTerms, 'assertion'>,
    { all }: AccountEnrolments,
  ): boolean {
    if (!factor.enrol) return false;
    return (
      factor.enrol.isOffered?.(
        all.filter((one) => one.factor === name),
        terms,
      ) ?? true
    );
  }

  /** Puts the question of a factor. */
  ask(asked: ConfiguredFactor, { account, terms }: FactorQuestion, has: AccountEnrolments): Promise<AskOutcome> {
    return callFactor(asked, terms.signal, this.#log, (factor: Factor, signal) =>
      factor.ask(account, ownOf(asked, has.all), { ...terms, signal }),
    );
  }

  /** Judges an answer. Of answers in parallel that are all right, and can be right only once, one is. */
  async verify(
    asked: ConfiguredFactor,
    account: Account,
    answer: Pick<FactorResponse, 'fields' | 'state' | 'signal'>,
  ): Promise<Judged> {
    const judge = () => this.#verify(asked, account, answer);
    return asked.factor.canBeGuessed ? this.#counted(account, answer.signal, judge) : judge();
  }

  /** An attempt that is entered before it is judged, and counted by what it comes to. */
  async #counted<Outcome extends { readonly kind: string; readonly reason?: Reason }>(
    account: Account,
    signal: AbortSignal,
    judge: () => Promise<Outcome>,
  ): Promise<Outcome | Extract<Judged, { kind: 'locked' }>> {
    const permit = await this.limits.enter(account, signal);
    if (permit.kind === 'locked') return permit;
    const judged = await judge().catch(async (error: unknown) => {
      // What cannot be taken off counts as wrong by itself, later.
      await this.limits.release(account).catch(() => undefined);
      throw error;
    });
    await this.#count(account, judged);
    return judged;
  }

  /** Begins a setup. */
  async begin(asked: ConfiguredFactor, { account, terms }: FactorQuestion): Promise<EnrolmentOffer | undefined> {
    const { all } = await this.enrolments.of(account);
    return asked.factor.enrol?.begin(account, ownOf(asked, all), terms);
  }

  /** Judges the first answer to a setup, and enrols where it is right and nobody has enrolled for the account `after`. */
  async finish(
    asked: ConfiguredFactor,
    account: Account,
    answer: Pick<FactorResponse, 'fields' | 'state' | 'signal'> & {
      readonly after: AccountEnrolments;
      readonly name: string;
    },
  ): Promise<Enrolled> {
    const { after, name, ...response } = answer;
    const outcome = await this.#finish(asked, account, { ...response, enrolments: ownOf(asked, after.all) });
    if (outcome.kind !== 'enrolled') return outcome;
    const { data, proof } = outcome;
    const enrolment = await this.enrolments.add(account, { factor: asked.name, name, data, after });
    if (!enrolment) return { kind: 'overtaken' };
    if (asked.factor.isSpare) await this.#endEarlier(asked, account, enrolment);
    return { kind: 'enrolled', proof, enrolment };
  }

  async #finish(
    asked: ConfiguredFactor,
    account: Account,
    response: FactorResponse,
  ): Promise<EnrolOutcome | Extract<Judged, { kind: 'locked' }>> {
    const { enrol, canBeGuessed } = asked.factor;
    if (!enrol) return { kind: 'rejected', reason: 'enrolment-closed' };
    const judge = () =>
      callFactor(asked, response.signal, this.#log, (_factor, signal) =>
        enrol.finish(account, { ...response, signal }),
      );
    if (enrol.isGuessed) return this.#counted(account, response.signal, judge);
    const standing = canBeGuessed ? await this.limits.standing(account) : undefined;
    return standing?.kind === 'locked' ? standing : judge();
  }

  /** What stands in for others is there once: a new set of codes ends the one before. */
  async #endEarlier(asked: ConfiguredFactor, account: Account, { id }: Enrolment): Promise<void> {
    for (let turn = 0; turn < maxTurns; turn++) {
      const has = await this.enrolments.of(account);
      const earlier = ownOf(asked, has.all).filter((one) => one.id !== id);
      const gone = await this.enrolments.remove(
        account,
        has,
        earlier.map((one) => one.id),
      );
      if (!gone) continue;
      for (const one of gone) await asked.factor.forget?.(account, one);
      return;
    }
    throw new Failure('overloaded', 'store: too many writers at once on the enrolments of an account');
  }

  /** Ends what factors hold open. */
  async close(): Promise<void> {
    await Promise.all(this.all.map(({ factor }) => factor.close?.()));
    this.mailer?.close();
  }

  async #verify(
    asked: ConfiguredFactor,
    account: Account,
    answer: Pick<FactorResponse, 'fields' | 'state' | 'signal'>,
  ): Promise<Judged> {
    for (let turn = 0; turn < maxTurns; turn++) {
      const { all } = await this.enrolments.of(account);
      const outcome: FactorOutcome = await callFactor(asked, answer.signal, this.#log, (factor, signal) =>
        factor.verify(account, { ...answer, enrolments: ownOf(asked, all), signal }),
      );
      if (outcome.kind !== 'verified') return outcome;
      const { proof, enrolment } = outcome;
      if (!enrolment || (await this.enrolments.replace(account, enrolment))) return { kind: 'verified', proof };
    }
    throw new Failure('overloaded', 'store: too many writers at once on an enrolment');
  }

  async #count(account: Account, { kind, reason }: { readonly kind: string; readonly reason?: Reason }): Promise<void> {
    if (kind === 'verified' || kind === 'enrolled') await this.limits.succeed(account);
    // Who has a code that was used knows no more than before.
    else if (kind === 'rejected' && reason !== undefined && !uncounted.has(reason)) await this.limits.fail(account);
    else await this.limits.release(account);
  }
}

function ownOf({ name }: ConfiguredFactor, all: readonly Enrolment[]): readonly Enrolment[] {
  return all.filter(({ factor }) => factor === name);
}
