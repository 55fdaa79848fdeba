/** What happened, written down: one audit record and one metric for every way out of the pipeline and for every login. */
import type { ProviderStep } from '../core/outcome.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { CanonicalTarget, Client, GatewayRequest, Verdict } from '../core/verdict.ts';
import type { Audit } from './audit.ts';
import type { Metrics } from './metrics.ts';

/** How a verdict was carried out. */
export interface RequestResult {
  readonly status: number;
  /** When carrying it out failed: why. */
  readonly reason?: Reason;
}

/** What was decided about a request, as far as it could be read. */
export interface RequestRecord {
  readonly request: Pick<GatewayRequest, 'id' | 'method' | 'target' | 'peer' | 'asked'>;
  readonly verdict: Verdict;
  readonly client?: Client;
  readonly target?: CanonicalTarget;
  readonly route?: Route;
  readonly principal?: Principal;
  readonly session?: Session;
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
  readonly steps?: readonly ProviderStep[];
}

/** Writes to the audit and the metrics, so that both always tell the same story. */
export class Recorder {
  readonly #metrics: Metrics;
  readonly #audit: Audit;

  constructor(metrics: Metrics, audit: Audit) {
    this.#metrics = metrics;
    this.#audit = audit;
  }

  request(decided: RequestRecord, result: RequestResult, seconds: number): void {
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
