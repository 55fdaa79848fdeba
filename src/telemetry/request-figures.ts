/**
 * The figures of requests, added up without any work of the metrics library: it is handed them when they are read. Tens of
 * thousands of requests come between two readings.
 */

/** A sum and the labels that it is of. */
interface LabelledSum {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Upper bounds of how long a request took, in seconds. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
const classes = ['other', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** The figures of one route. */
class RouteFigures {
  readonly route: string;
  /** Most requests are forwarded, and without a reason. */
  #forwarded = 0;
  /** Of all others, by verdict, then by reason. */
  readonly #requests = new Map<string, Map<string, number>>();
  readonly #responses = new Array<number>(classes.length).fill(0);
  /** How many fell into each bucket and into none below; above all of them the last. */
  readonly #times = new Array<number>(buckets.length + 1).fill(0);
  #seconds = 0;

  constructor(route: string) {
    this.route = route;
  }

  add(verdict: string, reason: string, status: number | undefined, seconds: number): void {
    if (verdict === 'forward' && reason === '') this.#forwarded += 1;
    else this.#count(verdict, reason);
    if (status !== undefined) {
      const kind = status >= 100 && status < 600 ? Math.floor(status / 100) : 0;
      this.#responses[kind] = (this.#responses[kind] ?? 0) + 1;
    }
    let bucket = 0;
    while (bucket < buckets.length && seconds > (buckets[bucket] ?? 0)) bucket += 1;
    this.#times[bucket] = (this.#times[bucket] ?? 0) + 1;
    this.#seconds += seconds;
  }

  #count(verdict: string, reason: string): void {
    const byReason = this.#requests.get(verdict);
    if (byReason) byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
    else this.#requests.set(verdict, new Map([[reason, 1]]));
  }

  *requests(): Generator<LabelledSum> {
    const { route } = this;
    if (this.#forwarded > 0) yield { labels: { route, verdict: 'forward', reason: '' }, value: this.#forwarded };
    for (const [verdict, byReason] of this.#requests)
      for (const [reason, value] of byReason) yield { labels: { route, verdict, reason }, value };
  }

  *responses(): Generator<LabelledSum> {
    for (const [kind, value] of this.#responses.entries())
      if (value > 0) yield { labels: { route: this.route, status: classes[kind] ?? 'other' }, value };
  }

  /** As Prometheus has histograms: each bucket holds those below it. */
  *times(name: string): Generator<LabelledSum & { readonly metricName: string }> {
    const { route } = this;
    let below = 0;
    for (const [index, count] of this.#times.entries()) {
      below += count;
      yield { metricName: `${name}_bucket`, labels: { le: String(buckets[index] ?? '+Inf'), route }, value: below };
    }
    yield { metricName: `${name}_sum`, labels: { route }, value: this.#seconds };
    yield { metricName: `${name}_count`, labels: { route }, value: below };
  }
}

/** The figures of all routes. */
export class RequestFigures {
  readonly #routes = new Map<string, RouteFigures>();
  /** By what a route calls itself, which may share its figures with others that are too many. */
  readonly #known = new Map<string, RouteFigures>();
  readonly #bound: (route: string) => string;

  /** `bound` gives the label for a route, so that a mistake elsewhere fills no memory. */
  constructor(bound: (route: string) => string) {
    this.#bound = bound;
  }

  add(route: string, verdict: string, reason: string, status: number | undefined, seconds: number): void {
    const figures = this.#known.get(route) ?? this.#open(route);
    // A clock that jumped must not do harm to a request.
    figures.add(verdict, reason, status, Number.isFinite(seconds) && seconds > 0 ? seconds : 0);
  }

  /** Asks for labels anew, since other routes may have them. What was counted stays. */
  forgetLabels(): void {
    this.#known.clear();
  }

  requests(): readonly LabelledSum[] {
    return [...this.#routes.values()].flatMap((figures) => [...figures.requests()]);
  }

  responses(): readonly LabelledSum[] {
    return [...this.#routes.values()].flatMap((figures) => [...figures.responses()]);
  }

  /** A histogram as the registry of the metrics library reads one. */
  histogram(name: string, help: string) {
    const get = () => ({
      ...{ name, help, type: 'histogram', aggregator: 'sum' },
      values: [...this.#routes.values()].flatMap((figures) => [...figures.times(name)]),
    });
    return { name, get };
  }

  #open(route: string): RouteFigures {
    const label = this.#bound(route);
    const figures = this.#routes.get(label) ?? new RouteFigures(label);
    this.#routes.set(label, figures);
    if (label === route) this.#known.set(route, figures);
    return figures;
  }
}
