/** What is counted of second factors: their steps, the codes that are sent, and how the servers stand that they ask. */
import { Counter, Gauge, type Registry } from 'prom-client';

/** How the circuit breaker of a factor stands. */
interface FactorStanding {
  readonly factor: string;
  readonly snapshot: { readonly state: 'closed' | 'half-open' | 'open' };
}

const breakerValues = { closed: 0, 'half-open': 1, open: 2 } as const;

/** Their metrics. No method throws. */
export class FactorMetrics {
  readonly #steps: Counter;
  readonly #sends: Counter;
  readonly #bound: (factor: string) => string;
  #standing: (() => readonly FactorStanding[]) | undefined;

  /** `bound` keeps the names of factors few. */
  constructor(registry: Registry, bound: (factor: string) => string) {
    this.#bound = bound;
    const registers = [registry];
    this.#steps = new Counter({
      ...{ name: 'gatehouse_factors_total', help: 'Steps by second factors', registers },
      labelNames: ['factor', 'outcome', 'reason'],
    });
    this.#sends = new Counter({
      ...{ name: 'gatehouse_code_sends_total', help: 'Codes that were to be sent', registers },
      labelNames: ['factor', 'outcome'],
    });
    const breakers: Gauge = new Gauge({
      ...{ name: 'gatehouse_factor_breaker_state', help: '0 closed, 1 half-open, 2 open', registers },
      ...{ labelNames: ['factor'], aggregator: 'first' },
      collect: () => {
        breakers.reset();
        for (const { factor, snapshot } of this.#standing?.() ?? [])
          breakers.set({ factor: bound(factor) }, breakerValues[snapshot.state]);
      },
    });
  }

  /** A step has come to something. */
  step({ factor, ...labels }: { readonly factor: string; readonly outcome: string; readonly reason: string }): void {
    this.#steps.inc({ ...labels, factor: this.#bound(factor) });
  }

  /** A code was sent, could not be, or was one too many. */
  send(factor: string, outcome: 'sent' | 'failed' | 'refused'): void {
    this.#sends.inc({ factor: this.#bound(factor), outcome });
  }

  /** Reads how the servers of factors stand each time the metrics are read. */
  readStandingBy(read: () => readonly FactorStanding[]): void {
    this.#standing = read;
  }
}
