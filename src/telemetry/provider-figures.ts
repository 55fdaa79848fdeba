/** How providers do: how long their answers took within the last quarter of an hour, since when they stand as they do, what failed last. */
import type { Clock } from '../core/clock.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import { scrubText } from './scrub-text.ts';

/** `degraded` after failures that have not closed it off, `down` while nobody is sent to it, `unknown` before the first answer. */
type ProviderState = 'ok' | 'unknown' | 'degraded' | 'down';

/** What its circuit breaker says; a provider without one is well. */
interface BreakerWord {
  readonly state: string;
  readonly failures: number;
  readonly isUntried?: true;
}

/** What is known of one provider. Times in milliseconds. */
export interface ProviderFigure {
  readonly state: ProviderState;
  readonly since: number;
  /** Of half and of 95 in a hundred of the answers of the last quarter of an hour; absent where there were none. */
  readonly p50?: number;
  readonly p95?: number;
  readonly lastError?: { readonly reason: Reason; readonly detail: string; readonly at: number };
}

/** What one process knows of a provider, for another that shows what all know. */
export interface KnownProvider {
  readonly name: string;
  readonly state: ProviderState;
  readonly since: number;
  readonly samples: readonly { readonly at: number; readonly milliseconds: number }[];
  readonly lastError?: ProviderFigure['lastError'];
}

const window = 15 * 60_000;
/** Of a busy quarter of an hour the newest answers stand for all. */
const maxSamples = 4096;
const maxDetail = 300;

interface Known {
  state: ProviderState;
  since: number;
  readonly samples: { readonly at: number; readonly milliseconds: number }[];
  lastError?: ProviderFigure['lastError'];
}

/** The figures of one process. No method throws. */
export class ProviderFigures {
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An answer, and how long it took. An offer takes no server, and one that was never asked has not answered. */
  answered(name: string, outcome: Outcome, milliseconds: number): void {
    if (outcome.kind === 'challenge') return;
    const known = this.#of(name);
    const now = this.#clock.now();
    if (outcome.kind === 'unavailable') {
      const { reason, cause } = outcome;
      if (reason === 'breaker-open' || reason === 'client-gone') return;
      known.lastError = { reason, detail: detailOf(cause), at: now };
    }
    known.samples.push({ at: now, milliseconds });
    if (known.samples.length > maxSamples) known.samples.splice(0, known.samples.length - maxSamples);
  }

  /** How it stands by its breaker; call it whenever that may have changed. */
  stands(name: string, breaker: BreakerWord | undefined): void {
    const known = this.#of(name);
    const state = stateOf(breaker);
    if (known.state === state) return;
    known.state = state;
    known.since = this.#clock.now();
  }

  /** All that is known here. */
  known(): readonly KnownProvider[] {
    return [...this.#known].map(([name, known]) => ({ name, ...known }));
  }

  /**
   * The figures of a provider, with what other processes know of it. It stands as here, since the first of them has seen that.
   */
  of(name: string, others: readonly KnownProvider[] = []): ProviderFigure {
    const own = this.#of(name);
    const { state } = own;
    const all = [own, ...others.filter((other) => other.name === name)];
    const since = Math.min(...all.flatMap((one) => (one.state === state ? [one.since] : [])));
    const samples = all.flatMap((one) => one.samples);
    const [lastError] = all.flatMap((one) => one.lastError ?? []).toSorted((a, b) => b.at - a.at);
    const from = this.#clock.now() - window;
    const times = samples.flatMap(({ at, milliseconds }) => (at >= from ? [milliseconds] : [])).sort((a, b) => a - b);
    const [p50, p95] = [quantile(times, 0.5), quantile(times, 0.95)];
    return {
      state,
      since,
      ...(p50 !== undefined && { p50 }),
      ...(p95 !== undefined && { p95 }),
      ...(lastError && { lastError }),
    };
  }

  /** Forgets all but these: call it when another configuration is in place. */
  retain(names: readonly string[]): void {
    for (const name of this.#known.keys()) if (!names.includes(name)) this.#known.delete(name);
  }

  #of(name: string): Known {
    const known = this.#known.get(name);
    if (known) return known;
    const made: Known = { state: 'unknown', since: this.#clock.now(), samples: [] };
    this.#known.set(name, made);
    return made;
  }
}

function stateOf(breaker: BreakerWord | undefined): ProviderState {
  if (!breaker) return 'ok';
  if (breaker.state === 'open') return 'down';
  if (breaker.state !== 'closed' || breaker.failures > 0) return 'degraded';
  return breaker.isUntried ? 'unknown' : 'ok';
}

/** The least value that so many of all do not exceed (nearest rank). */
function quantile(sorted: readonly number[], part: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)];
}

function detailOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : 'see the log: a provider is unavailable';
  return scrubText(text).slice(0, maxDetail);
}
