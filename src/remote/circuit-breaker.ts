/**
 * A circuit breaker: remembers that a provider does not answer, so that it costs nobody a wait until it is found well again, by
 * a look of its own or by a single attempt. It counts what `call-provider.ts` tells it and knows nothing of providers.
 */
import type { Clock } from '../core/clock.ts';
import type { Reason } from '../core/reason.ts';
import { withDeadline } from './deadline.ts';

/** `open`: nobody is let through. `half-open`: one attempt is, to find out. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** How a provider stands, for health pages. */
export interface BreakerSnapshot {
  readonly state: BreakerState;
  /** In a row. */
  readonly failures: number;
  /** Of the last failure; absent when the provider is well. */
  readonly reason?: Reason;
  /** When the next attempt may go through, in milliseconds since the epoch; absent unless open. */
  readonly retryAt?: number;
  /** No attempt has ended yet, so nothing is known of the provider. */
  readonly isUntried?: true;
}

/** The leave to make one attempt. Exactly one of the three ends it; what comes after that is ignored. */
interface BreakerPermit {
  /** The provider answered, whatever it said. */
  succeed(): void;
  /** The provider was unavailable. */
  fail(reason: Reason): void;
  /** The attempt says nothing about the provider: its client left, or it needed no work. */
  release(): void;
}

/** A look at the provider that costs no user anything. */
export interface BreakerProbe {
  /** Milliseconds between two looks, and for each of them. */
  readonly every: number;
  /** Rejects where the provider cannot be asked. */
  readonly look: (signal: AbortSignal) => Promise<void>;
}

/** What has happened at a breaker, as other processes of the gateway are told it. */
export type BreakerNews =
  | { readonly kind: 'answered' }
  /** `wasTrial`: the one attempt of a half-open breaker. */
  | { readonly kind: 'failed'; readonly reason: Reason; readonly wasTrial: boolean }
  | { readonly kind: 'looked' };

/** How a breaker is set; times in milliseconds. */
export interface BreakerSettings {
  /** Failures in a row that open it. */
  readonly failures?: number;
  /** Until the first attempt after opening; doubles with each failed one. */
  readonly cooldown?: number;
  readonly maxCooldown?: number;
  readonly clock: Clock;
  /** Called after every change of state; `isHeard` where another process was the first to know. */
  readonly onChange?: (state: BreakerState, reason: Reason | undefined, isHeard: boolean) => void;
  /** Called after whatever changes how it stands, but for what it was told itself. */
  readonly onNews?: (news: BreakerNews) => void;
  /** Another process looks in its place, and tells. */
  readonly isLed?: boolean;
}

const defaults = { failures: 3, cooldown: 10_000, maxCooldown: 60_000, isLed: false } as const;

/** The breaker of one provider. Those of several processes stand as one: `breakers.ts`. */
export class CircuitBreaker {
  readonly #settings: Required<Omit<BreakerSettings, 'onChange' | 'onNews'>> & BreakerSettings;
  #state: BreakerState = 'closed';
  #failures = 0;
  #reason: Reason | undefined;
  #openedAt = 0;
  #cooldown: number;
  /** Rises with every change of state: a permit of an earlier one has nothing to say about this one. */
  #epoch = 0;
  #isProbing = false;
  #isUntried = true;
  #isHearing = false;
  #probe: BreakerProbe | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lookAt = 0;
  /** Looks that found the provider well while the next attempt did not: each doubles the time to the next look. */
  #belied = 0;
  #wasLookedAt = false;

  constructor(settings: BreakerSettings) {
    this.#settings = { ...defaults, ...settings };
    this.#cooldown = this.#settings.cooldown;
  }

  snapshot(): BreakerSnapshot {
    return {
      state: this.#state,
      failures: this.#failures,
      ...(this.#reason && { reason: this.#reason }),
      ...(this.#state === 'open' && { retryAt: this.#probe ? this.#lookAt : this.#openedAt + this.#cooldown }),
      ...(this.#isUntried && { isUntried: true as const }),
    };
  }

  /** Leave to make an attempt; undefined while the circuit breaker is open. */
  enter(): BreakerPermit | undefined {
    if (this.#state === 'open' && !this.#probe && this.#hasCooled()) this.#change('half-open');
    if (this.#state === 'open' || this.#isProbing) return undefined;
    this.#isProbing = this.#state === 'half-open';
    return this.#permit();
  }

  /** From here on an open breaker finds out by itself; without a look one attempt is let through after the cooldown. */
  watch(probe: BreakerProbe): void {
    this.#probe = probe;
    if (this.#state === 'open') this.#lookLater();
  }

  /** Ends the looks of this probe, unless another has taken its place. */
  unwatch(probe: BreakerProbe): void {
    if (this.#probe !== probe) return;
    this.#probe = undefined;
    clearTimeout(this.#timer);
  }

  /** Takes over what happened in another process. A failure of before an opening says nothing new. */
  hear(news: BreakerNews): void {
    this.#hearing(() => {
      if (news.kind === 'answered') return this.#close();
      if (news.kind === 'looked') return this.#foundWell();
      if (this.#state === 'closed' || news.wasTrial) this.#fail(news.reason, news.wasTrial);
    });
  }

  /** Stands from here on as the one that leads says, which has heard of everything. */
  adopt({ state, failures, reason, isUntried, retryAt }: BreakerSnapshot): void {
    this.#hearing(() => {
      this.#failures = failures;
      this.#reason = reason;
      this.#isUntried = isUntried === true;
      // A trial is the leader's own: nobody else is let through meanwhile.
      const next = state === 'half-open' ? 'open' : state;
      this.#cooldown = this.#settings.cooldown;
      if (next === 'open') this.#openedAt = this.#settings.clock.now();
      if (retryAt !== undefined) this.#cooldown = Math.max(0, retryAt - this.#openedAt);
      if (next !== this.#state) this.#change(next);
    });
  }

  #hearing(act: () => void): void {
    this.#isHearing = true;
    try {
      act();
    } finally {
      this.#isHearing = false;
    }
  }

  #tell(news: BreakerNews): void {
    if (!this.#isHearing) this.#settings.onNews?.(news);
  }

  #permit(): BreakerPermit {
    const epoch = this.#epoch;
    let isSpent = false;
    const once = (act: () => void) => {
      if (isSpent) return;
      isSpent = true;
      if (epoch === this.#epoch) act();
    };
    return {
      succeed: () => once(() => this.#close()),
      fail: (reason) => once(() => this.#fail(reason)),
      release: () =>
        once(() => {
          this.#isProbing = false;
        }),
    };
  }

  /** A clock that was set back must not keep a provider out for longer than its cooldown. */
  #hasCooled(): boolean {
    const waited = this.#settings.clock.now() - this.#openedAt;
    return waited < 0 || waited >= this.#cooldown;
  }

  #close(): void {
    const isNews = this.#isUntried || this.#failures > 0 || this.#state !== 'closed';
    this.#isUntried = false;
    this.#failures = 0;
    this.#reason = undefined;
    this.#cooldown = this.#settings.cooldown;
    this.#belied = 0;
    this.#wasLookedAt = false;
    if (this.#state !== 'closed') this.#change('closed');
    if (isNews) this.#tell({ kind: 'answered' });
  }

  #fail(reason: Reason, wasTrial = this.#state === 'half-open'): void {
    this.#isUntried = false;
    this.#failures += 1;
    this.#reason = reason;
    if (this.#state !== 'closed' || this.#failures >= this.#settings.failures) this.#open(wasTrial);
    this.#tell({ kind: 'failed', reason, wasTrial });
  }

  #open(wasTrial: boolean): void {
    if (wasTrial) this.#cooldown = Math.min(this.#cooldown * 2, this.#settings.maxCooldown);
    if (this.#wasLookedAt) this.#belied += 1;
    this.#wasLookedAt = false;
    this.#openedAt = this.#settings.clock.now();
    if (this.#state !== 'open') this.#change('open');
    this.#lookLater();
  }

  #lookLater(): void {
    const probe = this.#probe;
    const { clock, maxCooldown } = this.#settings;
    if (!probe || this.#settings.isLed) return;
    const wait = Math.min(probe.every * 2 ** this.#belied, Math.max(probe.every, maxCooldown));
    this.#lookAt = clock.now() + wait;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(probe), wait).unref();
  }

  /** Whoever comes after a good look is let through, and the first failure opens the breaker again. */
  async #look(probe: BreakerProbe): Promise<void> {
    const epoch = this.#epoch;
    const { every, look } = probe;
    const isWell = await withDeadline(undefined, every, ({ signal }) => look(signal)).then(
      () => true,
      () => false,
    );
    if (epoch !== this.#epoch || this.#probe !== probe) return;
    if (!isWell) return this.#lookLater();
    this.#foundWell();
    this.#tell({ kind: 'looked' });
  }

  #foundWell(): void {
    this.#wasLookedAt = true;
    this.#failures = this.#settings.failures - 1;
    this.#change('closed');
  }

  #change(state: BreakerState): void {
    this.#state = state;
    this.#epoch += 1;
    this.#isProbing = false;
    this.#settings.onChange?.(state, this.#reason, this.#isHearing);
  }
}
