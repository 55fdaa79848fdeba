/** What happened, written down: one audit record and one metric for every way out of the pipeline and for every login. */
import type { Reason } from '../core/reason.ts';
import type { Client } from '../core/verdict.ts';
import type { ChainStep } from '../providers/chain.ts';
import type { Audit } from '../telemetry/audit.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Decided } from './pipeline.ts';

/** How a verdict was carried out. */
export interface RequestResult {
  readonly status: number;
  /** When carrying it out failed: why. */
  readonly reason?: Reason;
}

/** A login, a logout or the end of a session. */
export interface AccountEvent {
  readonly event: 'login' | 'logout' | 'session-end' | 'step-up';
  readonly outcome: 'succeeded' | 'failed';
  readonly reason?: Reason;
  /** In canonical form, as typed when nobody vouched. */
  readonly user?: string;
  readonly provider?: string;
  readonly session?: string;
  readonly client?: Client;
  readonly requestId?: string;
  readonly steps?: readonly ChainStep[];
}

/** Writes to the audit and the metrics, so that both always tell the same story. */
export class Recorder {
  readonly #metrics: Metrics;
  readonly #audit: Audit;

  constructor(metrics: Metrics, audit: Audit) {
    this.#metrics = metrics;
    this.#audit = audit;
  }

  request(decided: Decided, result: RequestResult, seconds: number): void {
    const { request, verdict, route, client, target, principal, session } = decided;
    const reason = result.reason ?? ('reason' in verdict ? verdict.reason : undefined);
    const name = route?.name ?? (verdict.kind === 'portal' ? '_gate' : '_none');
    this.#metrics.request({
      route: name,
      verdict: verdict.kind,
      method: request.method,
      status: result.status,
      seconds,
      ...(reason && { reason }),
    });
    this.#audit.record({
      event: 'request',
      verdict: verdict.kind,
      status: result.status,
      method: request.method,
      route: name,
      path: target?.path ?? unreadPath(request.target),
      request: request.id,
      seconds,
      address: client?.address ?? request.peer,
      ...(reason && { reason }),
      ...(principal && { user: principal.subject, provider: principal.provider }),
      ...(session && { session: session.id }),
      ...(request.asked && { via: 'forward-auth' }),
    });
  }

  account(event: AccountEvent): void {
    for (const step of event.steps ?? [])
      this.#metrics.login({
        provider: step.provider,
        outcome: step.outcome,
        seconds: step.milliseconds / 1000,
        ...(step.reason && { reason: step.reason }),
      });
    const { client, requestId, ...rest } = event;
    this.#audit.record({
      ...rest,
      ...(client && { address: client.address }),
      ...(requestId && { request: requestId }),
    });
  }
}

/** What a refused target said, for whoever looks for the cause: without its query, and no longer than a path that is read. */
function unreadPath(target: string): string {
  return (target.split('?', 1)[0] ?? '').slice(0, 512);
}
