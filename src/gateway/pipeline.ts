/**
 * The one decision point: a request as plain data goes in, a verdict comes out. Whatever carries requests (HTTP, upgrades,
 * forward-auth, middleware) only carries verdicts out, and hands the result back to be recorded here.
 */
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { CanonicalTarget, Client, GatewayRequest, Verdict } from '../core/verdict.ts';
import type { RequestAuthenticator } from '../login/authenticate-request.ts';
import { decide } from '../policy/decide.ts';
import type { AssertionSigner } from '../proxy/assertion.ts';
import type { HeaderComposer } from '../proxy/headers.ts';
import { readClient } from '../routing/client-address.ts';
import type { Locations } from '../routing/locations.ts';
import { upstreamTarget } from '../routing/locations.ts';
import { admits, canonicalTarget } from '../routing/target.ts';
import type { Recorder, RequestResult } from '../telemetry/recorder.ts';
import { askingFor } from './routes.ts';

/** Whether a target is one of the gateway's own addresses; no route can take them. */
export function isPortal({ path }: Pick<CanonicalTarget, 'path'>): boolean {
  return path === '/_gate' || path.startsWith('/_gate/');
}

/** What the pipeline works with; made by `build.ts`. */
export interface PipelineParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly isTrusted: (address: string) => boolean;
  readonly locations: Locations;
  readonly authenticator: RequestAuthenticator;
  readonly publicUrl: URL;
  readonly headers: HeaderComposer;
  readonly signer: AssertionSigner;
  readonly recorder: Recorder;
}

/** A verdict with what is needed to carry it out and to record it. */
export interface Decided {
  readonly request: GatewayRequest;
  readonly verdict: Verdict;
  /** Absent when the request could not be read that far. */
  readonly client?: Client;
  readonly target?: CanonicalTarget;
  readonly route?: Route;
  readonly principal?: Principal;
  readonly session?: Session;
  readonly startedAt: number;
}

/** What is read of a request, as far as it could be read, and the verdict. */
type Reading = Omit<Decided, 'request' | 'startedAt'>;

/** What a location makes of a request, and who sends it where that was asked. */
type Admission = Pick<Decided, 'verdict' | 'principal' | 'session'>;

/** Turns requests into verdicts. It holds no state of its own and never throws. */
export class Pipeline {
  readonly #parts: PipelineParts;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  async decide(request: GatewayRequest): Promise<Decided> {
    const startedAt = performance.now();
    try {
      return { request, startedAt, ...(await this.#read(request)) };
    } catch (error) {
      this.#parts.log.error({ request: request.id, error }, 'a request could not be decided');
      return {
        request,
        startedAt,
        verdict: refuse('UNAVAILABLE', 'internal-error', 'the decision broke', { cause: error }),
      };
    }
  }

  /** Writes the audit record and the metric of a request that has been answered, or given up. Call it once a request. */
  finish(decided: Decided, result: RequestResult): void {
    this.#parts.recorder.request(decided, result, Math.round(performance.now() - decided.startedAt) / 1000);
  }

  /** Reads a request from the outside in: who sends it, what it is for, which location takes it, whether that admits it. */
  async #read(request: GatewayRequest): Promise<Reading> {
    const reading = readClient(request, this.#parts.isTrusted);
    if (reading.kind === 'refused') return { verdict: refuse('BAD_REQUEST', 'ambiguous-header', reading.detail) };
    const { client, headers } = reading;
    const canonical = canonicalTarget({ target: request.target, headers });
    if (canonical.kind === 'refused')
      return { client, verdict: refuse('BAD_REQUEST', canonical.reason, canonical.detail) };
    const { target } = canonical;
    const settled = this.#settleWithoutRoute(request, client, canonical);
    if (settled) return { client, target, verdict: settled };

    const match = this.#parts.locations.match(target.host, target.path);
    if (!match) return { client, target, verdict: refuse('NOT_FOUND', 'no-route', 'no location matches') };
    const route = askingFor(request.roles, match.route);
    const refused = refuseTarget(request, target, route);
    if (refused) return { client, target, route, verdict: refused };
    const read = headers === request.headers ? request : { ...request, headers };
    return { client, target, route, ...(await this.#admit(read, client, target, route)) };
  }

  /** The verdict where no location has a say: two readings of one path, our own addresses, a location without its slash. */
  #settleWithoutRoute(
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

  async #admit(request: GatewayRequest, client: Client, target: CanonicalTarget, route: Route): Promise<Admission> {
    const upgrade = this.#refuseUpgrade(request, route);
    if (upgrade) return { verdict: upgrade };
    if (route.access === 'deny')
      return { verdict: refuse('ACCESS_DENIED', 'location-closed', 'closed by configuration', { route }) };
    if (route.access === 'public') return { verdict: await this.#forward(request, client, target, route) };

    const { authenticator, clock } = this.#parts;
    const identity = await authenticator.identify(request, client, target, { bearer: route.access.bearer === true });
    if (identity.kind === 'unavailable')
      return {
        verdict: refuse('PROVIDER_UNAVAILABLE', identity.reason, 'nobody could be asked', { route, retryAfter: 10 }),
      };
    if (identity.kind === 'nobody')
      return { verdict: { kind: 'authenticate', route, target, offers: identity.offers, reason: identity.reason } };

    const { principal, session, reply } = identity;
    const who = { principal, ...(session && { session }) };
    const decision = decide(principal, route, session, clock.now());
    switch (decision.kind) {
      case 'permit':
        if (session && route.idleActivity) authenticator.touch(session);
        return { ...who, verdict: await this.#forward(request, client, target, route, { ...who, reply }) };
      case 'step-up': {
        const { reason } = decision;
        if (session) return { ...who, verdict: { kind: 'step-up', route, target, session, reason } };
        return { ...who, verdict: refuse('LOGIN_REQUIRED', reason, 'a fresh login is needed', { route, principal }) };
      }
      case 'deny':
        return {
          ...who,
          verdict: refuse('ACCESS_DENIED', decision.reason, 'policy says no', { route, principal }),
        };
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

  async #forward(
    request: GatewayRequest,
    client: Client,
    target: CanonicalTarget,
    route: Route,
    who: {
      principal?: Principal;
      session?: Session;
      reply?: Readonly<Record<string, string | readonly string[]>>;
    } = {},
  ): Promise<Verdict> {
    const upstream = upstreamTarget(route, target);
    if (upstream.kind === 'refused') return refuse('BAD_REQUEST', 'ambiguous-target', upstream.detail, { route });
    const { principal, session, reply = {} } = who;
    const assertion = principal && (await this.#parts.signer.sign(principal, session, audienceOf(route)));
    const headers = this.#parts.headers.compose(route, {
      headers: request.headers,
      client,
      peer: request.peer,
      requestId: request.id,
      upgrade: request.upgrade,
      ...(principal && { principal }),
      ...(session && { session }),
      ...(assertion && { assertion }),
    });
    return {
      kind: 'forward',
      forward: {
        route,
        target,
        upstreamPath: upstream.path,
        headers,
        reply,
        ...(principal && { principal }),
        ...(session && { session }),
      },
    };
  }
}

/** Refuses what the proxy in front would send to another location, and what this one does not take in a path. */
function refuseTarget({ asked }: GatewayRequest, target: CanonicalTarget, route: Route): Verdict | undefined {
  if (asked?.route !== undefined && asked.route !== route.name)
    return refuse('BAD_REQUEST', 'ambiguous-target', 'the proxy in front has matched another location', { route });
  const odd = admits(route, target);
  return odd && refuse('BAD_REQUEST', odd.reason, odd.detail, { route });
}

/** Whom the assertion for a route is meant for. Balanced servers stand for one application: the first names it. */
export function audienceOf(route: Route): string {
  return route.upstream.servers[0]?.origin ?? '';
}

function refuse(
  code: ConstructorParameters<typeof GatewayError>[0],
  reason: Reason,
  detail: string,
  more: { route?: Route; principal?: Principal; retryAfter?: number; cause?: unknown } = {},
): Verdict {
  const { cause, ...rest } = more;
  return { kind: 'refuse', error: new GatewayError(code, detail, cause), reason, ...rest };
}
