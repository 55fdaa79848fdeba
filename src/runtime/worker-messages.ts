/**
 * What the process that leads and its workers say to one another, over the pipe that Node lays between them. Nobody else can
 * write there, so nothing is checked but by the types.
 */
import type { BreakerStanding } from '../remote/breakers.ts';
import type { BreakerNews } from '../remote/circuit-breaker.ts';
import type { MetricsSnapshot } from '../telemetry/metrics.ts';
import type { KnownProvider } from '../telemetry/provider-figures.ts';
import type { Place } from './front-listeners.ts';

/** The text of a configuration, as the process that leads has read it; undefined where there is no file. */
export type ConfigurationText = string | undefined;

/** What a worker begins with. */
export interface WorkerStart {
  readonly worker: number;
  readonly workers: number;
  /** The configuration's, for places and relative paths in it. */
  readonly file: string;
  readonly text: ConfigurationText;
  /** Where to listen; undefined for the first, which finds out. */
  readonly places: readonly Place[] | undefined;
  /** Never written anywhere. */
  readonly ticketSecret: Uint8Array;
  readonly breakers: readonly BreakerStanding[];
  readonly isTerminal: boolean;
}

/** What a worker is asked, and what it answers. */
export interface WorkerAnswers {
  /** Readies a configuration; rejects with what stands in the way. */
  readonly prepare: { readonly question: { readonly text: ConfigurationText }; readonly answer: undefined };
  /** Puts in place what is ready, or gives it up. */
  readonly take: { readonly question: object; readonly answer: undefined };
  readonly drop: { readonly question: object; readonly answer: undefined };
  readonly metrics: { readonly question: object; readonly answer: MetricsSnapshot };
  readonly figures: { readonly question: object; readonly answer: readonly KnownProvider[] };
  /** The newest first. */
  readonly lines: { readonly question: { readonly of: 'records' | 'warnings' }; readonly answer: readonly string[] };
  /** How many connections are live on each of some sessions. */
  readonly live: { readonly question: { readonly sessions: readonly string[] }; readonly answer: readonly number[] };
}

/** What a worker can be asked. */
export type Asked = keyof WorkerAnswers;

/** One question. */
export type Question<A extends Asked = Asked> = { [K in A]: { readonly asked: K } & WorkerAnswers[K]['question'] }[A];

/** How one breaker stands, and of how much that the worker has said of it that speaks. */
interface StandingMessage {
  readonly kind: 'standing';
  readonly standing: BreakerStanding;
  readonly heard: number;
}

/** To a worker. */
export type ToWorker =
  | { readonly kind: 'start'; readonly start: WorkerStart }
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }
  | StandingMessage
  | { readonly kind: 'tickets'; readonly secret: Uint8Array }
  | { readonly kind: 'drain' };

/** What stands in the way, as an OperatorError has it. */
export interface WorkerFault {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** From a worker. */
export type FromWorker =
  | { readonly kind: 'ready'; readonly places: readonly Place[] }
  | { readonly kind: 'failed'; readonly fault: WorkerFault }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly fault: WorkerFault }
  /** Something happened at a breaker; `said` counts what this worker has said of it. */
  | { readonly kind: 'breaker'; readonly identity: string; readonly news: BreakerNews; readonly said: number };
