/** What lives as long as the process, across reloads: store, log, metrics, audit, live connections, circuit breakers. */
import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import type { Sealer } from '../core/seal.ts';
import type { Store } from '../core/store.ts';
import { EnrolmentMark } from '../factors/enrolment-mark.ts';
import { Connections } from '../proxy/connections.ts';
import { Breakers } from '../remote/breakers.ts';
import { createStore, sealerOf, sealKeyFile } from '../store/index.ts';
import { type Audit, createAudit } from '../telemetry/audit.ts';
import { createLog, type RootLog } from '../telemetry/log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { wantsPretty } from '../telemetry/options.ts';
import { ProviderFigures } from '../telemetry/provider-figures.ts';
import { RecentLines } from '../telemetry/recent-records.ts';
import type { Document } from './document.ts';

/** The services that every part of the gateway shares. */
export interface Services {
  readonly clock: Clock;
  readonly log: RootLog;
  readonly store: Store;
  /** Whose keys guard what is given to browsers: the same for every worker of the store. */
  readonly sealer: Sealer;
  /** By which it shows that the store has lost what was set up. */
  readonly mark: EnrolmentMark;
  readonly metrics: Metrics;
  readonly audit: Audit;
  /** The last records of logins and refusals, and the last warnings, as they were written. */
  readonly recent: { readonly records: RecentLines; readonly warnings: RecentLines };
  readonly connections: Connections;
  readonly breakers: Breakers;
  readonly figures: ProviderFigures;
  /** How many processes share the machine's limits of what is kept for strangers. */
  readonly workers: number;
}

const maxRecords = 10_000;
const maxWarnings = 500;

/** Replacements for tests; the real ones otherwise. */
export interface ServiceOptions {
  readonly clock?: Clock;
  /** Begin anew where the keys that seal the store are lost. */
  readonly forgetSealed?: boolean;
  /** Takes the log's and the audit's lines in place of the standard output. */
  readonly output?: { write(line: string): unknown };
  /** One of several processes of a gateway. */
  readonly part?: ProcessPart;
}

/** What a process of several is, and what it shares with the others besides the store. */
interface ProcessPart {
  /** The number of a worker, in its log; absent for the process that leads them. */
  readonly worker?: number;
  /** How many workers share what is one for all of them. */
  readonly workers: number;
  readonly breakers: Breakers;
  /** Whether the standard output of the process that leads is a terminal. */
  readonly isTerminal: boolean;
}

/** Opens the services. Throws an OperatorError when the store or the audit cannot be used; nothing stays open then. */
export async function openServices(document: Document, options: ServiceOptions = {}): Promise<Services> {
  const { clock = systemClock, output, forgetSealed = false, part } = options;
  const isTerminal = part?.isTerminal ?? process.stdout.isTTY === true;
  const recent = { records: new RecentLines(maxRecords), warnings: new RecentLines(maxWarnings) };
  const log = createLog({
    level: document.log.level,
    recent: recent.warnings,
    pretty: output === undefined && wantsPretty(document.log.format, isTerminal),
    worker: part?.worker,
    ...(output && { destination: output }),
  });
  const metrics = createMetrics();
  const audit = createAudit({
    ...document.audit,
    clock,
    log,
    onLoss: (records) => metrics.auditLost(records),
    recent: recent.records,
    isShared: part !== undefined,
    ...(output && document.audit.to === 'stdout' && { stream: output }),
  });
  try {
    const keepsEnrolments = Object.keys(document.factors).length > 0;
    const store = await createStore(document.session.store, { clock, log, forgetSealed, keepsEnrolments });
    metrics.gaugeBy('store_up', '1 while the store answers', 'min', () => (store.outage() ? 0 : 1));
    // Those beside a file are seen by every process, those of Redis by the one that holds them.
    const held = document.session.store.type === 'redis' ? 'sum' : 'first';
    metrics.gaugeBy('store_held_ends', 'Ends of sessions that wait for the store', held, () => store.waiting());
    const sealer = sealerOf(document.session.store);
    const mark = new EnrolmentMark({ store, log, file: markFileOf(document.session.store) });
    if (keepsEnrolments) await mark.prepare();
    const lost = 'Above 0 while the store is not the one in which second factors were set up';
    metrics.gaugeBy('enrolments_lost', lost, 'first', () => (keepsEnrolments && mark.glance() ? 1 : 0));
    const connections = new Connections({ log });
    metrics.readConnectionsBy(() => connections.counts());
    const breakers = part?.breakers ?? new Breakers();
    const life = { connections, breakers, figures: new ProviderFigures(clock), recent, workers: part?.workers ?? 1 };
    return { clock, log, store, sealer, mark, metrics, audit, ...life };
  } catch (error) {
    await audit.close();
    throw error;
  }
}

/** With a store in memory nothing is meant to stay. */
function markFileOf(store: Document['session']['store']): string | undefined {
  return store.type === 'memory' ? undefined : `${sealKeyFile(store)}.enrolments`;
}

/** Closes what the process held open, in an order in which nothing is lost. */
export async function closeServices({ store, audit }: Services): Promise<void> {
  await audit.flush();
  await store.close();
  await audit.close();
}
