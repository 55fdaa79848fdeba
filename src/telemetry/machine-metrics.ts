/** The metrics of several processes as those of one: counters and histograms added, the rest as its kind says. */
import { AggregatorRegistry } from 'prom-client';
import type { Metrics, MetricsSnapshot } from './metrics.ts';

/** Adds up. */
export class MachineMetrics {
  readonly #own: Metrics;
  /** What was last seen of each process that lives, by its number. */
  readonly #seen = new Map<number, MetricsSnapshot>();
  /** Counters of processes that have ended: a sum that falls would look like a start anew, and count twice. */
  #ended: MetricsSnapshot = [];

  constructor(own: Metrics) {
    this.#own = own;
  }

  /** All in Prometheus' text format. One that gave no answer stands as it was seen last. */
  async render(fresh: Iterable<readonly [process: number, metrics: MetricsSnapshot]>): Promise<string> {
    for (const [process, metrics] of fresh) this.#seen.set(process, metrics);
    const own = await this.#own.snapshot();
    return AggregatorRegistry.aggregate([own, ...this.#seen.values(), this.#ended]).metrics();
  }

  /** A process has ended: what it counted up to when it was seen last stays counted. */
  async ended(process: number): Promise<void> {
    const last = this.#seen.get(process) ?? [];
    this.#seen.delete(process);
    const counted = last.filter(({ type }) => lasting.has(String(type)));
    this.#ended = await AggregatorRegistry.aggregate([this.#ended, counted]).getMetricsAsJSON();
  }
}

const lasting: ReadonlySet<string> = new Set(['counter', 'histogram']);
