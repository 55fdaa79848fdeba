/** What happened, written down: one audit record and one metric for every way out of the pipeline and for every login. */
import type { Account } from '../core/account.ts';
import type { ProviderStep } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import type { Client } from '../core/verdict.ts';
import type { AccountRecord, Audit, OperationRecord, RequestRecord, WebSocketEndRecord } from './audit.ts';
import type { ForwardedRequest } from './forwarded-line.ts';
import type { Metrics } from './metrics.ts';

/** How a verdict was carried out. */
export interface RequestResult {
  readonly status: number;
  /** When carrying it out failed: why. */
  readonly reason?: Reason;
  /** What exactly was wrong, for the audit alone. */
  readonly detail?: string;
  /** True: it went from socket to socket. */
  readonly lane?: boolean;
}

/** A login, a logout or the end of a session. */
export interface AccountEvent {
  readonly event: AccountRecord['event'];
  readonly outcome: AccountRecord['outcome'];
  readonly reason?: Reason;
  /** Of a step by a second factor: its name. */
  readonly factor?: string;
  /** Of somebody whom a provider has authenticated. */
  readonly account?: Account;
  /** Canonical, as typed, where nobody has. */
  readonly user?: string;
  readonly provider?: string;
  /** Judged while the provider was away. */
  readonly mode?: 'offline';
  readonly session?: string;
  readonly client?: Client;
  /** Of a hand-over: the host. */
  readonly host?: string;
  readonly detail?: string;
  /** The operator who ended a session, and from where. */
  readonly by?: Pick<AccountRecord, 'actor' | 'address'>;
  readonly requestId?: string;
  readonly steps?: readonly ProviderStep[];
}

/** What became of a code that was to be sent; `refused` where it was one too many. */
interface SentCode {
  readonly account: Account;
  readonly factor: string;
  readonly outcome: 'sent' | 'failed' | 'refused';
  readonly reason?: Reason;
  readonly address: string;
}

/** Writes to the audit and the metrics, so that both always tell the same story. */
export class Recorder {
  readonly #metrics: Metrics;
  readonly #audit: Audit;

  constructor(metrics: Metrics, audit: Audit) {
    this.#metrics = metrics;
    this.#audit = audit;
  }

  request(record: RequestRecord): void {
    const { route, verdict, method, status, seconds, reason } = record;
    this.#metrics.request({ route, verdict, method, status, seconds, ...(reason && { reason }) });
    const { service, peer } = record;
    if (service !== undefined)
      this.#metrics.peers.request({ service, ...(peer !== undefined && { peer }), ...(reason && { reason }) });
    this.#audit.record(record);
  }

  /** A request that the lane has forwarded, and that was answered as asked. */
  forwarded(request: ForwardedRequest): void {
    const { route, status, seconds } = request;
    this.#metrics.request({ route, verdict: 'forward', status, seconds });
    this.#audit.forwarded(request);
  }

  webSocketEnd(record: WebSocketEndRecord): void {
    this.#audit.record(record);
  }

  operation(record: OperationRecord): void {
    this.#audit.record(record);
  }

  /** A code was to be sent to somebody. */
  codeSent({ account, factor, outcome, reason, address }: SentCode): void {
    this.#metrics.factors.send(factor, outcome);
    this.#audit.record({
      ...{ event: 'factor-send', outcome: outcome === 'sent' ? 'succeeded' : 'failed', factor, address },
      ...{ user: account.subject, tenant: account.tenant },
      ...(reason && { reason }),
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
    const { factor, outcome, reason = '' } = event;
    if (factor !== undefined) this.#metrics.factors.step({ factor, outcome, reason });
    const { account, client, requestId, by, ...rest } = event;
    this.#audit.record({
      ...rest,
      ...(account && { user: account.subject, tenant: account.tenant }),
      ...(client && { address: client.address }),
      ...(requestId && { request: requestId }),
      ...by,
    });
  }
}
