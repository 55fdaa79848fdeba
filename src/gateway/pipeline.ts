/**
 * The one decision point: a request as plain data goes in, a verdict comes out. Whatever carries requests (HTTP, upgrades,
 * forward-auth, middleware) only carries verdicts out, and hands the result back to be recorded here.
 */

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import { type ForwardingRoute, isForwarding, type Route } from '../core/route.ts';
import type { CanonicalTarget, Client, GatewayRequest, Verdict } from '../core/verdict.ts';
import type { Identity, RequestAuthenticator, Somebody } from '../login/authenticate-request.ts';
import { decide } from '../policy/decide.ts';
import { type AssertionSigner, audienceOf } from '../proxy/assertion.ts';
import type { HeaderComposer } from '../proxy/headers.ts';
import { readClient } from '../routing/client-address.ts';
import type { Locations } from '../routing/locations.ts';
import { upstreamTarget } from '../routing/locations.ts';
import { admits, canonicalTarget } from '../routing/target.ts';
import type { Recorder, RequestResult } from '../telemetry/recorder.ts';
import {
  begun,
  conclude,
  type Decided,
  endRecordOf,
  noteSender,
  recordOf,
  secondsSince,
  type Trace,
  type WebSocketEnd,
} from './decided.ts';
import { fixedVerdict } from './fixed-answer.ts';
import { isNeverForwarded, refuse, refuseMethod, refuseTarget } from './refuse.ts';
import { askingFor } from './routes.ts';

/** Whether a target is one of the gateway's own addresses; no route can take them. */
function isPortal({ path }: Pick<CanonicalTarget, 'path'>): boolean {
  return path === '/_gate' || path.startsWith('/_gate/');
}

interface PipelineParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly isTrusted: (address: string) => boolean;
  readonly isKnownHost: (host: string) => boolean;
  readonly locations: Locations;
  readonly authenticator: RequestAuthenticator;
  readonly publicUrl: URL;
  readonly headers: HeaderComposer;
  readonly signer: AssertionSigner;
  readonly recorder: Recorder;
}

/** A request that a location takes. */
interface Located<Taken extends Route = Route> {
  readonly request: GatewayRequest;
  readonly client: Client;
  readonly target: CanonicalTarget;
  readonly route: Taken;
}

/** Stands where no verdict has been reached: whatever breaks off, nothing is forwarded. */
const undecided = refuse('UNAVAILABLE', 'internal-error', 'no verdict was reached');

/** Turns requests into verdicts. It holds no state of its own and never throws. */
export class Pipeline {
  readonly #parts: PipelineParts;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /**
   * The verdict, with the steps that led to it; a promise only where somebody has to be waited for. An identity that is given
   * is taken for whoever sends the request, and nobody is asked.
   */
  decide(request: GatewayRequest, given?: Identity): MaybePromise<Decided> {
    const trace: Trace = { request, startedAt: performance.now(), verdict: undecided };
    try {
      const verdict = this.#read(trace, given);
      if (verdict instanceof Promise)
        return verdict.then(
          (reached) => conclude(trace, reached),
          (error: unknown) => this.#broke(trace, error),
        );
      return conclude(trace, verdict);
    } catch (error) {
      return this.#broke(trace, error);
    }
  }

  /** Writes the audit record and the metric of a request that has been answered, or given up. Call it once a request. */
  finish(decided: Decided, result: RequestResult): void {
    this.#parts.recorder.request(recordOf(decided, result, secondsSince(decided)));
  }

  /** Writes how a WebSocket ended that such a request has opened. */
  ended(decided: Decided, end: WebSocketEnd): void {
    this.#parts.recorder.webSocketEnd(endRecordOf(decided, end, secondsSince(decided)));
  }

  #broke(trace: Trace, error: unknown): Decided {
    this.#parts.log.error({ request: trace.request.id, error }, 'a request could not be decided');
    return conclude(trace, refuse('UNAVAILABLE', 'internal-error', 'the decision broke', { cause: error }));
  }

  /** Reads a request from the outside in: who sends it, what it is for, which location takes it, whether that admits it. */
  #read(trace: Trace, given: Identity | undefined): MaybePromise<Verdict> {
    const { request } = trace;
    const { isTrusted, isKnownHost, locations } = this.#parts;
    const reading = readClient(request, isTrusted);
    if (reading.kind === 'refused') return refuse('BAD_REQUEST', 'ambiguous-header', reading.detail);
    const { client, headers } = reading;
    trace.client = client;
    // Before the target is read, which is no path here.
    if (request.method === 'CONNECT') return refuseMethod(request.method);
    const canonical = canonicalTarget({ target: request.target, headers });
    if (canonical.kind === 'refused') return refuse('BAD_REQUEST', canonical.reason, canonical.detail);
    const { target } = canonical;
    trace.target = target;
    if (!isKnownHost(target.host)) return refuse('MISDIRECTED', 'host-unknown', 'the Host is no name of this site');
    if (isNeverForwarded(request.method)) return refuseMethod(request.method, target.path);
    const answered = this.#answerWithoutRoute(request, client, canonical);
    if (answered) return answered;

    const match = locations.match(target.host, target.path);
    if (!match) return refuse('NOT_FOUND', 'no-route', 'no location matches');
    const route = askingFor(request.roles, match.route);
    trace.match = match;
    trace.route = route;
    const refused = refuseTarget(request, target, route);
    if (refused) return refused;
    const read = headers === request.headers ? request : { ...request, headers };
    return this.#admit(trace, { request: read, client, target, route }, given);
  }

  /** The verdict where no location has a say: two readings of one path, our own addresses, a location without its slash. */
  #answerWithoutRoute(
    request: GatewayRequest,
    client: Client,
    { target, rebuilt }: { readonly target: CanonicalTarget; readonly rebuilt: boolean },
  ): Verdict | undefined {
    if (rebuilt && request.asked?.sendsAsWritten)
      return refuse(
        'BAD_REQUEST',
        'ambiguous-target',
        'the proxy in front would send the path with its dot segments or doubled slashes',
      );
    if (isPortal(target)) {
      const odd = admits({ encodedSlashes: false, pathParameters: false }, target);
      return odd ? refuse('BAD_REQUEST', odd.reason, odd.detail) : { kind: 'portal', target, client };
    }
    const slash = this.#parts.locations.closingSlash(target.host, target.path);
    return slash === undefined ? undefined : { kind: 'redirect', target, location: `${target.path}/${target.query}` };
  }

  #admit(trace: Trace, located: Located, given: Identity | undefined): MaybePromise<Verdict> {
    const { request, client, target, route } = located;
    const upgrade = this.#refuseUpgrade(request, route);
    if (upgrade) return upgrade;
    if (route.access === 'deny')
      return refuse('ACCESS_DENIED', 'location-closed', 'closed by configuration', { route });
    if (route.access === 'public') return this.#forward(trace, located);
    if (given) return this.#judge(trace, located, given);
    const terms = { bearer: route.access.bearer === true, allowedOrigins: route.allowedOrigins };
    const identity = this.#parts.authenticator.identify(request, client, target, terms);
    return andThen(identity, (known) => this.#judge(trace, located, known));
  }

  /** What policy makes of whoever sends a request to a location that is not open to all. */
  #judge(trace: Trace, located: Located, identity: Identity): MaybePromise<Verdict> {
    const { target, route } = located;
    trace.identity = identity;
    if (identity.kind === 'unavailable')
      return refuse('PROVIDER_UNAVAILABLE', identity.reason, 'nobody could be asked', { route, retryAfter: 10 });
    if (identity.kind === 'nobody')
      return { kind: 'authenticate', route, target, offers: identity.offers, reason: identity.reason };

    const { authenticator, clock } = this.#parts;
    const { principal, session } = identity;
    noteSender(trace, identity);
    const decision = decide(principal, route, session, clock.now());
    trace.decision = decision;
    switch (decision.kind) {
      case 'permit':
        if (session && route.idleActivity) authenticator.touch(session);
        return this.#forward(trace, located, identity);
      case 'step-up': {
        const { reason } = decision;
        if (session) return { kind: 'step-up', route, target, session, reason };
        return refuse('LOGIN_REQUIRED', reason, 'a fresh login is needed', { route, principal });
      }
      case 'deny':
        return refuse('ACCESS_DENIED', decision.reason, 'policy says no', { route, principal });
      default:
        return decision satisfies never;
    }
  }

  /** A browser sends cookies with a WebSocket that any site opens, and no preflight: the origin must be ours (CWE-1385). */
  #refuseUpgrade(request: GatewayRequest, route: Route): Verdict | undefined {
    if (!request.upgrade) return undefined;
    if (!route.websocket)
      return refuse('BAD_REQUEST', 'upgrade-refused', 'the location takes no WebSockets', { route });
    const origin = request.headers.single('origin');
    if (origin === undefined || origin === this.#parts.publicUrl.origin || route.allowedOrigins.includes(origin))
      return undefined;
    return refuse('ORIGIN_MISMATCH', 'origin-mismatch', 'the WebSocket comes from another origin', { route });
  }

  #forward(trace: Trace, located: Located, who?: Somebody): MaybePromise<Verdict> {
    const { target, route } = located;
    if (!isForwarding(route)) return andThen(begun(trace, who), () => fixedVerdict(route, target));
    const upstream = upstreamTarget(route, target);
    if (upstream.kind === 'refused') return refuse('BAD_REQUEST', 'ambiguous-target', upstream.detail, { route });
    const forwardable = { ...located, route };
    return andThen(begun(trace, who), (known) =>
      known ? this.#sign(forwardable, upstream.path, known) : this.#compose(forwardable, upstream.path),
    );
  }

  #sign(located: Located<ForwardingRoute>, upstreamPath: string, who: Somebody): MaybePromise<Verdict> {
    const assertion = this.#parts.signer.sign(who.principal, who.session, audienceOf(located.route));
    return andThen(assertion, (token) => this.#compose(located, upstreamPath, who, token));
  }

  #compose(
    { request, client, target, route }: Located<ForwardingRoute>,
    upstreamPath: string,
    who?: Somebody,
    assertion?: string,
  ): Verdict {
    const known = who && { principal: who.principal, ...(who.session && { session: who.session }) };
    const { headers, spellings } = this.#parts.headers.compose(route, {
      headers: request.headers,
      client,
      peer: request.peer,
      requestId: request.id,
      upgrade: request.upgrade,
      ...known,
      ...(assertion && { assertion }),
    });
    return {
      kind: 'forward',
      forward: { route, target, upstreamPath, headers, spellings, reply: who?.reply ?? {}, ...known },
    };
  }
}
