/** What came of asking the providers of a chain in turn: which of their outcomes counts, and what is told besides. */
import type { Offer, Outcome, ProviderStep } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import type { CallResult } from './call-provider.ts';

/** An offer, with the provider that made it. */
export type ChainOffer = Offer & { readonly provider: string };

/** What came of an attempt. */
export interface ChainResult {
  readonly outcome: Outcome;
  /** Whose outcome it is; absent when it is nobody's, as when all only made offers. */
  readonly provider?: string;
  /** All ways to present credentials, in the chain's order; none beside an `authenticated`. */
  readonly offers: readonly ChainOffer[];
  /** In the order asked. */
  readonly steps: readonly ProviderStep[];
  /**
   * The rejection of a provider that knows the user. It stands here even when the outcome is another: a failure must be
   * counted also while some other provider is unavailable, or an outage would be the time to guess passwords.
   */
  readonly rejection?: { readonly provider: string } & Extract<Outcome, { kind: 'rejected' }>;
}

/** Rejections that only who gave the right password hears. */
export const afterRightPassword: ReadonlySet<Reason> = new Set<Reason>(['password-must-change', 'password-expired']);

interface Candidate {
  readonly provider: string;
  readonly outcome: Outcome;
}

/** What the providers have said so far, and which of it counts. */
export class ChainRun {
  readonly #steps: ProviderStep[] = [];
  readonly #offers: ChainOffer[] = [];
  #best: Candidate | undefined;
  #rejection: ChainResult['rejection'];

  /** Whether somebody could not be asked, so that nobody will be told that a password is wrong. */
  get hasOutage(): boolean {
    return this.#steps.some(({ outcome }) => outcome === 'unavailable');
  }

  add(provider: string, answer: CallResult): CallResult {
    const { outcome, milliseconds } = answer;
    this.#steps.push({
      provider,
      outcome: outcome.kind,
      milliseconds,
      ...('reason' in outcome && { reason: outcome.reason }),
    });
    if (outcome.kind === 'challenge') this.offer(provider, outcome.offers);
    else if (!this.#best || rank(outcome) > rank(this.#best.outcome)) this.#best = { provider, outcome };
    if (outcome.kind === 'rejected') {
      this.#rejection ??= { provider, ...outcome };
    }
    return answer;
  }

  offer(provider: string, offers: readonly Offer[]): void {
    this.#offers.push(...offers.map((offer) => ({ ...offer, provider })));
  }

  result(): ChainResult {
    const steps = this.#steps;
    const offers = this.#best?.outcome.kind === 'authenticated' ? [] : this.#offers;
    if (!this.#best) return { outcome: { kind: 'challenge', offers }, offers, steps };
    return { ...this.#best, offers, steps, ...(this.#rejection && { rejection: this.#rejection }) };
  }
}

/** The higher is what the user is told; of two equal ones the first. See `runChain`. */
function rank(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'authenticated':
      return 6;
    case 'continue':
      return 5;
    case 'rejected':
      return afterRightPassword.has(outcome.reason) ? 4 : 2;
    case 'unavailable':
      return 3;
    case 'unknown-user':
      return 1;
    case 'challenge':
      return 0;
    default:
      return outcome satisfies never;
  }
}
