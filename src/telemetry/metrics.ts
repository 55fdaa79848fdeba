/** Counters and gauges for Prometheus, in a registry of their own. `telemetry/recorder.ts` says what happened; this counts it. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, type Metric, Registry } from 'prom-client';
import type { OutcomeKind } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import { EndMetrics } from './end-metrics.ts';
import { FactorMetrics } from './factor-metrics.ts';
import { PeerMetrics } from './peer-metrics.ts';
import { RequestFigures } from './request-figures.ts';
import { StreamFigures } from './stream-figures.ts';

/** A request that has been answered, or given up. */
interface RequestMeasure {
  /** A configured route's name, or one of the gateway's own words; never anything that a client sent. */
  readonly route: string;
  readonly verdict: string;
  readonly reason?: Reason;
  readonly method?: string;
  readonly status?: number;
  readonly seconds: number;
}

/** One provider's part in a login. */
interface LoginMeasure {
  readonly provider: string;
  readonly outcome: OutcomeKind;
  readonly reason?: Reason;
  readonly seconds: number;
}

/** How one server of an upstream stands. */
interface UpstreamMeasure {
  readonly origin: string;
  readonly isLive: boolean;
}

/** All metrics of one process, for another that shows the sum of several. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** What can be live on a session. */
type ConnectionKind = 'websocket' | 'stream' | 'request';

const loginBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 15];
const breakerValues = { closed: 0, 'half-open': 1, open: 2 } as const;
/** Of one label; a mistake elsewhere must not fill the memory of this process and of Prometheus. */
const maxLabelValues = 500;

/** Makes the metrics of one process. `processMetrics: false` leaves out the figures of Node itself. */
export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  return new Metrics(options.processMetrics ?? true);
}

/** The gateway's metrics. No method throws. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #labels = new Map<string, Set<string>>();
  readonly #requests = this.#counter('requests_total', 'Requests by decision', ['route', 'verdict', 'reason']);
  readonly #responses = this.#counter('responses_total', 'Responses by route and class of status', ['route', 'status']);
  readonly #figures = new RequestFigures((route) => this.#bound('route', route));
  readonly #logins = this.#counter('logins_total', 'Answers of providers', ['provider', 'outcome', 'reason']);
  readonly #loginTime = new Histogram({
    ...{ name: 'gatehouse_login_duration_seconds', help: 'Time of providers', labelNames: ['provider'] },
    ...{ buckets: loginBuckets, registers: [this.#registry] },
  });
  readonly factors = new FactorMetrics(this.#registry, (factor) => this.#bound('factor', factor));
  readonly peers = new PeerMetrics(this.#registry);
  readonly #pendingLogins = this.#gauge('pending_logins', 'Logins between their steps', [], 'first');
  readonly #connections = this.#gauge('live_connections', 'Connections that are open', ['kind']);
  readonly #sessions = this.#gauge('sessions', 'Live sessions in the store', [], 'first');
  readonly #breakers = this.#gauge('breaker_state', '0 closed, 1 half-open, 2 open', ['provider'], 'first');
  readonly ends = new EndMetrics(this.#registry);
  readonly #upstreams = this.#gauge(
    'upstream_up',
    '1 while a server is given requests, 0 while it is not, after failures',
    ['server'],
    'min',
  );
  readonly #secretUses = this.#counter('shared_secret_uses_total', 'Uses of shared secrets', ['secret', 'generation']);
  readonly #workers = this.#gauge('workers', 'Processes that take requests', [], 'first');
  readonly #workerEnds = this.#counter('worker_ends_total', 'Workers that ended and were started again', []);
  readonly #auditLosses = this.#counter('audit_lost_records_total', 'Audit records that could not be written', []);
  readonly streams = new StreamFigures(this.#registry);
  #countSessions: (() => Promise<number>) | undefined;
  #countPending: (() => Promise<number>) | undefined;
  #readUpstreams: (() => readonly UpstreamMeasure[]) | undefined;
  #readConnections: (() => Readonly<Record<ConnectionKind, number>>) | undefined;

  constructor(hasProcessMetrics: boolean) {
    if (hasProcessMetrics) collectDefaultMetrics({ register: this.#registry });
    const times = this.#figures.histogram(
      'gatehouse_request_duration_seconds',
      'From the request head to the end of the response',
    );
    // Of a metric the registry asks for no more than this.
    this.#registry.registerMetric(times as unknown as Metric);
    // Present from the start, so that an alert on their growth does not miss the first.
    this.#auditLosses.inc(0);
    this.#workers.set(1);
    this.#workerEnds.inc(0);
  }

  /** The type that `render` answers in. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  request({ route, verdict, reason, status, seconds }: RequestMeasure): void {
    this.#figures.add(route, verdict, reason ?? '', status, seconds);
  }

  login({ provider, outcome, reason, seconds }: LoginMeasure): void {
    const bounded = this.#bound('provider', provider);
    this.#logins.inc({ provider: bounded, outcome, reason: reason ?? '' });
    // A histogram throws on anything but a number; a clock that jumped must not do that to a request.
    this.#loginTime.observe({ provider: bounded }, Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, seconds || 0)));
  }

  /** Reads how many connections are open each time the metrics are read. */
  readConnectionsBy(read: () => Readonly<Record<ConnectionKind, number>>): void {
    this.#readConnections = read;
  }

  sessions(count: number): void {
    this.#sessions.set(count);
  }

  /** Counts sessions and logins under way each time the metrics are read; while that fails their number is NaN. */
  countSessionsBy(count: () => Promise<number>, countPending?: () => Promise<number>): void {
    this.#countSessions = count;
    this.#countPending = countPending;
  }

  /** A gauge without labels, read each time the metrics are. */
  gaugeBy(name: string, help: string, aggregator: 'sum' | 'min' | 'first', read: () => number): void {
    const collect = (): void => gauge.set(read());
    const gauge = new Gauge({ name: `gatehouse_${name}`, help, aggregator, collect, registers: [this.#registry] });
  }

  /** Reads how the upstreams' servers stand each time the metrics are read. */
  readUpstreamsBy(read: () => readonly UpstreamMeasure[]): void {
    this.#readUpstreams = read;
  }

  breaker(provider: string, state: keyof typeof breakerValues): void {
    this.#breakers.set({ provider: this.#bound('provider', provider) }, breakerValues[state]);
  }

  /** A machine has shown the secret of a service, or the one before. */
  sharedSecret(secret: string, generation: string): void {
    this.#secretUses.inc({ secret, generation });
  }

  auditLost(records: number): void {
    this.#auditLosses.inc(records);
  }

  /** How many processes take requests. */
  workers(live: number): void {
    this.#workers.set(live);
  }

  workerEnded(): void {
    this.#workerEnds.inc();
  }

  /** Forgets routes and providers that a new configuration no longer has. Counters of the others stay. */
  retain(names: { readonly routes: readonly string[]; readonly providers: readonly string[] }): void {
    this.#forget('provider', names.providers, (provider) => this.#breakers.remove({ provider }));
    this.#forget('route', names.routes, () => undefined);
    this.#figures.forgetLabels();
    this.ends.retain(names.providers);
  }

  /** All metrics in Prometheus' text format. */
  async render(): Promise<string> {
    await this.#read();
    return this.#registry.metrics();
  }

  /** All metrics as data. `counts: false` leaves out what whoever adds them up knows for all: the sessions of the store. */
  async snapshot({ counts = true }: { readonly counts?: boolean } = {}): Promise<MetricsSnapshot> {
    await this.#read(counts);
    return this.#registry.getMetricsAsJSON();
  }

  async #read(counts = true): Promise<void> {
    const count = this.#countSessions;
    if (count && counts) this.#sessions.set(await count().catch(() => Number.NaN));
    if (counts) this.#pendingLogins.set((await this.#countPending?.().catch(() => Number.NaN)) ?? 0);
    this.#requests.reset();
    for (const { labels, value } of this.#figures.requests()) this.#requests.inc(labels, value);
    this.#responses.reset();
    for (const { labels, value } of this.#figures.responses()) this.#responses.inc(labels, value);
    for (const [kind, open] of Object.entries(this.#readConnections?.() ?? {})) this.#connections.set({ kind }, open);
    this.#upstreams.reset();
    const servers = this.#readUpstreams?.() ?? [];
    for (const { origin } of servers) this.#upstreams.set({ server: origin }, 1);
    // Routes that reach a server in different ways each have their own connections to it: one that fails shows.
    for (const { origin, isLive } of servers) if (!isLive) this.#upstreams.set({ server: origin }, 0);
  }

  #forget(label: string, kept: readonly string[], remove: (value: string) => void): void {
    for (const value of [...(this.#labels.get(label) ?? [])].filter((known) => !kept.includes(known))) {
      this.#labels.get(label)?.delete(value);
      remove(value);
    }
  }

  #bound(label: string, value: string): string {
    const known = this.#labels.get(label) ?? new Set();
    this.#labels.set(label, known);
    if (!known.has(value) && known.size >= maxLabelValues) return '_other';
    known.add(value);
    return value;
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: `gatehouse_${name}`, help, labelNames, registers: [this.#registry] });
  }

  /** `aggregator` is what becomes of it where several processes are shown as one. */
  #gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    aggregator: 'sum' | 'first' | 'min' = 'sum',
  ): Gauge<Label> {
    return new Gauge({ name: `gatehouse_${name}`, help, labelNames, aggregator, registers: [this.#registry] });
  }
}
