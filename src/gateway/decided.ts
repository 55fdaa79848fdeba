/**
 * What the pipeline has found out about a request, step by step, and the verdict: carriers carry it out, the audit writes it
 * down, `explain` prints it. A step that was not reached has left nothing.
 */
import type { AnswerHeaders } from '../core/answer.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import { apiSubject, type Principal } from '../core/principal.ts';
import { hasAnswersByIdentity, type Route } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { ShownCredential } from '../core/shown-credential.ts';
import type { CanonicalTarget, Client, Decision, GatewayRequest, Verdict } from '../core/verdict.ts';
import type { Identity, Somebody } from '../login/authenticate-request.ts';
import { corsHeaders } from '../routing/cors.ts';
import type { LocationMatch } from '../routing/locations.ts';
import type { RequestRecord, WebSocketEndRecord } from '../telemetry/audit.ts';
import type { RequestResult } from '../telemetry/recorder.ts';

/** How a WebSocket ended. */
export type WebSocketEnd = Pick<WebSocketEndRecord, 'endedBy' | 'reason' | 'up' | 'down'>;

/** The steps of a decision, in their order, and what came of them. */
export interface Decided {
  readonly request: GatewayRequest;
  /** By the clock of `performance`. */
  readonly startedAt: number;
  /** Who is at the other end. */
  readonly client?: Client;
  /** The one reading of the target. */
  readonly target?: CanonicalTarget;
  /** Which location takes it, and why. */
  readonly match?: LocationMatch;
  /** The location's route, with what the application itself asks for. */
  readonly route?: Route;
  /** Who sends it; absent where nobody was asked. */
  readonly identity?: Identity;
  /** Of an identity that is somebody: the same as there. */
  readonly principal?: Principal;
  readonly session?: Session;
  /** What let it in, where it was no session. */
  readonly credential?: ShownCredential;
  /** The row of the machine that sends it, whether the route's service admits it or not. */
  readonly peer?: string;
  /** What policy says of that. */
  readonly decision?: Decision;
  /** Headers that go with whatever answers: a new cookie, a mutual authentication. */
  readonly reply?: AnswerHeaders;
  /** Of these, what every answer of the location bears, whoever asks. */
  readonly ofRoute?: AnswerHeaders;
  readonly verdict: Verdict;
}

/** The same while the pipeline is at work on it. */
export type Trace = { -readonly [Step in keyof Decided]: Decided[Step] };

/** Notes what the answers of a location bear, whoever asks: who may read them, and what caches have to tell apart. */
export function noteRoute(trace: Trace, route: Route): void {
  const cors = route.cors && corsHeaders(route.cors, trace.request.headers);
  const isByCookie = hasAnswersByIdentity(route);
  if (!cors && !isByCookie) return;
  const vary = [...(isByCookie ? ['Cookie'] : []), ...(cors?.vary === undefined ? [] : [cors.vary])].join(', ');
  trace.ofRoute = { ...cors, ...(vary !== '' && { vary }) };
  trace.reply = trace.ofRoute;
}

/** Notes who sends the request, and what the answer has to set. */
export function noteSender(trace: Trace, who: Somebody): Somebody {
  trace.principal = who.principal;
  if (who.session) trace.session = who.session;
  if (who.credential) trace.credential = who.credential;
  trace.reply = trace.ofRoute ? { ...trace.ofRoute, ...who.reply } : who.reply;
  return who;
}

/** Whoever sends a request that nothing can refuse any more, so that a session which begins has a use. */
export function begun(trace: Trace, who: Somebody | undefined): MaybePromise<Somebody | undefined> {
  return who?.begin ? who.begin().then((known) => noteSender(trace, known)) : who;
}

/** Ends a trace with its verdict. */
export function conclude(trace: Trace, verdict: Verdict): Decided {
  trace.verdict = verdict;
  return trace;
}

/** The longest detail of a refusal in the audit. */
const maxDetail = 256;

/** The audit's record of a request that has been answered, or given up, after so many seconds. */
export function recordOf(decided: Decided, result: RequestResult, seconds: number): RequestRecord {
  const { request, verdict, route, target } = decided;
  const reason = result.reason ?? ('reason' in verdict ? verdict.reason : undefined);
  const detail = result.detail ?? (verdict.kind === 'refuse' ? verdict.error.message : undefined);
  return {
    event: 'request',
    verdict: verdict.kind,
    status: result.status,
    method: request.method,
    route: route?.name ?? (verdict.kind === 'portal' ? '_gate' : '_none'),
    path: target?.path ?? unreadPath(request.target),
    seconds,
    ...subjectOf(decided),
    ...(route?.service !== undefined && { service: route.service }),
    ...(decided.peer !== undefined && { peer: decided.peer }),
    ...(reason && { reason }),
    ...(detail && { detail: detail.slice(0, maxDetail) }),
    ...(request.asked && { via: 'forward-auth' }),
    ...(result.lane && { lane: true }),
  };
}

/** The audit's record of the end of a WebSocket, so many seconds after it was asked for. */
export function endRecordOf(decided: Decided, end: WebSocketEnd, seconds: number): WebSocketEndRecord {
  const { route, target } = decided;
  const where = { route: route?.name ?? '_none', path: target?.path ?? '' };
  return { event: 'websocket-end', ...end, ...where, seconds, ...subjectOf(decided) };
}

/** Who sent a request, and which one it was. */
function subjectOf({ request, client, principal, session, credential }: Decided) {
  return {
    request: request.id,
    address: client?.address ?? request.peer,
    ...(principal && { user: principal.subject, tenant: principal.tenant, provider: principal.provider }),
    ...(session && { session: session.id }),
    ...(credential && { shown: credential.kind === 'basic' ? 'basic' : apiSubject(credential.name) }),
  };
}

/** What a refused target said, for whoever looks for the cause: without its query, and no longer than a path that is read. */
function unreadPath(target: string): string {
  return (target.split('?', 1)[0] ?? '').slice(0, 512);
}

/** How long ago a request came, in seconds. */
export function secondsSince({ startedAt }: Pick<Decided, 'startedAt'>, now = performance.now()): number {
  return Math.round(now - startedAt) / 1000;
}
