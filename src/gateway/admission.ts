/**
 * Whether a location admits a request: what it asks of whoever sends it, and what policy makes of that person. What passes goes
 * on to be forwarded.
 */
import type { Clock } from '../core/clock.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import type { Principal } from '../core/principal.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { GatewayRequest, Verdict } from '../core/verdict.ts';
import type { Identity, RequestAuthenticator } from '../login/authenticate-request.ts';
import type { Offline } from '../login/offline/offline.ts';
import { stepAddress } from '../login/step-result.ts';
import type { SharedSecrets } from '../peers/shared-secrets.ts';
import { decide } from '../policy/decide.ts';
import { doorOf } from '../policy/door.ts';
import type { Worth } from '../policy/levels.ts';
import type { Tenants } from '../policy/tenants.ts';
import { isNavigation } from '../portal/send-page.ts';
import { barePreflight, isAllowedOrigin, isPreflight, preflightHeaders } from '../routing/cors.ts';
import type { HostTest } from '../routing/known-hosts.ts';
import type { SiteOrigins } from '../routing/site-origins.ts';
import { showsBearer } from './challenges.ts';
import { noteSender, type Trace } from './decided.ts';
import { preflightVerdict } from './fixed-answer.ts';
import type { Forwarding, Located } from './forwarding.ts';
import type { PeerAccess } from './peer-access.ts';
import { refuse } from './refuse.ts';

/** What a location says that is not shut to a client. */
type OpenDoor = Exclude<ReturnType<typeof doorOf>, 'closed' | 'outside'>;

/** What access rules are judged with. */
export interface AdmissionParts {
  readonly clock: Clock;
  readonly authenticator: RequestAuthenticator;
  readonly origins: SiteOrigins;
  /** Asks for the password those who signed in while their directory was away. */
  readonly offline: Pick<Offline, 'asksFor' | 'ask'>;
  readonly forwarding: Forwarding;
  /** Whether the host of a request is one of the site, whichever others are taken. */
  readonly isOwnHost: HostTest;
  readonly worth: Worth;
  /** Which machines a location's service admits. */
  readonly peers: PeerAccess;
  /** What machines show besides their certificates. */
  readonly secrets: Pick<SharedSecrets, 'askedBy' | 'judge'>;
  /** Which hosts are for users of one tenant alone. */
  readonly tenants: Pick<Tenants, 'admits'>;
}

/** The access rules of locations. */
export class Admission {
  readonly #parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** The verdict of a request that a location takes. An identity that is given is taken for its sender's; nobody is asked then. */
  admit(trace: Trace, asking: Located, given: Identity | undefined): MaybePromise<Verdict> {
    const { request, client, target, route } = asking;
    const upgrade = this.#refuseUpgrade(asking);
    if (upgrade) return upgrade;
    const door = doorOf(route, client, target, this.#parts.isOwnHost);
    if (door === 'closed') return refuse('ACCESS_DENIED', 'location-closed', 'closed by configuration', { route });
    if (door === 'outside')
      return refuse('ACCESS_DENIED', 'network-not-admitted', 'the address is in no network of the location', { route });
    const preflight = this.#preflight(trace, asking);
    if (preflight) return preflight;
    const admitted = this.#parts.peers.admit(request, route);
    if (admitted?.peer !== undefined) trace.peer = admitted.peer;
    if (admitted?.refused) return admitted.refused;
    const located = admitted?.machine ? { ...asking, machine: admitted.machine } : asking;
    const secret = this.#parts.secrets.askedBy(route.service);
    return secret === undefined
      ? this.#admitUser(trace, located, given, door)
      : this.#admitBySecret(trace, located, given, { secret, door });
  }

  /** The secret is the gateway's to look at: what goes on is the request as the application may see it. */
  async #admitBySecret(
    trace: Trace,
    located: Located,
    given: Identity | undefined,
    { secret, door }: { readonly secret: string; readonly door: OpenDoor },
  ): Promise<Verdict> {
    const { request, client, route } = located;
    const verdict = await this.#parts.secrets.judge(secret, request.headers, client.address);
    if (verdict.kind === 'locked') {
      const terms = { route, retryAfter: Math.ceil(verdict.retryAfter / 1000) };
      return refuse('TOO_MANY_FAILURES', 'too-many-failures', 'the address is locked after failures', terms);
    }
    if (verdict.kind === 'refused') return refuse('SECRET_REQUIRED', verdict.reason, verdict.detail, { route });
    const shown = { ...located, request: { ...request, headers: verdict.headers } };
    return this.#admitUser(trace, shown, given, door);
  }

  #admitUser(trace: Trace, located: Located, given: Identity | undefined, door: OpenDoor): MaybePromise<Verdict> {
    const { request, client, target, route } = located;
    if (door === 'peers') return this.#letIn(trace, located);
    if (door === 'public') return this.#parts.forwarding.forward(trace, located);
    // A token that is shown to a location which takes tokens must be right, wherever it comes from.
    if (door === 'free' && !this.#showsToken(request.headers, route)) return this.#welcome(trace, located, given);
    if (given) return this.#judge(trace, located, given);
    const identity = this.#parts.authenticator.identify(request, client, target, route);
    return andThen(identity, (known) => this.#askAtPage(located, known) ?? this.#judge(trace, located, known));
  }

  /** At a page load the user can be asked; what else an application sends goes on meanwhile. */
  #askAtPage({ request, route, target }: Located, identity: Identity): Promise<Verdict> | undefined {
    const { offline } = this.#parts;
    const session = identity.kind === 'somebody' ? identity.session : undefined;
    const isPage = request.method === 'GET' && !request.upgrade && isNavigation(request.headers);
    if (!session || !isPage || !offline.asksFor(session)) return undefined;
    return offline.ask(session).then(() => ({ kind: 'step-up', route, target, session, reason: 'offline-over' }));
  }

  /** A machine is let in as itself; without a service, which no configuration leaves out, nobody is. */
  #letIn(trace: Trace, located: Located): MaybePromise<Verdict> {
    const { machine, route } = located;
    if (!machine)
      return refuse('PEER_CERTIFICATE_REQUIRED', 'peer-certificate-missing', 'no service says who is admitted', {
        route,
      });
    trace.decision = { kind: 'permit' };
    const who = noteSender(trace, { kind: 'somebody', principal: machine.principal, reply: {} });
    return this.#parts.forwarding.forward(trace, located, who);
  }

  #showsToken(headers: HeaderLines, route: Route): boolean {
    if (typeof route.access !== 'object') return false;
    if (route.access.bearer === true && showsBearer(headers)) return true;
    return this.#parts.authenticator.programs.isShown(headers, route);
  }

  /** A browser asks before it knows of a login, and without cookies: the location answers, or its application does. */
  #preflight(trace: Trace, located: Located): MaybePromise<Verdict> | undefined {
    const { request, target, route } = located;
    if (!(route.cors || route.passesPreflights) || !isPreflight(request)) return undefined;
    if (!route.cors)
      return this.#parts.forwarding.forward(trace, { ...located, request: withoutUser(request), isBare: true });
    if (!isAllowedOrigin(route.cors, request.headers))
      return refuse('ORIGIN_MISMATCH', 'origin-mismatch', 'the preflight comes from an origin not in cors', { route });
    return preflightVerdict(route, target, preflightHeaders(route.cors));
  }

  /** Lets in whoever comes, by the session that there is: nobody is challenged, and no proof of the request itself is looked at. */
  #welcome(trace: Trace, located: Located, given: Identity | undefined): MaybePromise<Verdict> {
    const { authenticator, forwarding } = this.#parts;
    const known = given ?? authenticator.bySession(located.request, located.target);
    return andThen(known, (who) => {
      trace.identity = who;
      if (who.kind !== 'somebody') return forwarding.forward(trace, located);
      noteSender(trace, who);
      const foreign = this.#refuseTenant(trace, located, who.principal);
      if (foreign) return foreign;
      trace.decision = { kind: 'permit' };
      if (who.session && located.route.idleActivity) authenticator.touch(who.session);
      return forwarding.forward(trace, located, who);
    });
  }

  /** What policy makes of whoever sends a request to a location that is not open to all. */
  #judge(trace: Trace, located: Located, identity: Identity): MaybePromise<Verdict> {
    const { target, route } = located;
    trace.identity = identity;
    if (identity.kind === 'unavailable')
      return refuse('PROVIDER_UNAVAILABLE', identity.reason, 'nobody could be asked', { route, retryAfter: 10 });
    if (identity.kind === 'refused') {
      const { code, reason, detail, retryAfter, principal } = identity;
      if (principal) trace.principal = principal;
      return refuse(code, reason, detail, {
        route,
        ...(principal && { principal }),
        ...(retryAfter && { retryAfter }),
      });
    }
    if (identity.kind === 'unfinished') return this.#beginLogin(trace, located, identity);
    if (identity.kind === 'nobody') {
      const { offers, reason, isProgram } = identity;
      return { kind: 'authenticate', route, target, offers, reason, ...(isProgram && { isProgram }) };
    }

    const { authenticator, clock, forwarding, worth } = this.#parts;
    const { principal, session } = identity;
    noteSender(trace, identity);
    const foreign = this.#refuseTenant(trace, located, principal);
    if (foreign) return foreign;
    const decision = decide(principal, route, session, clock.now(), worth);
    trace.decision = decision;
    switch (decision.kind) {
      case 'permit':
        if (session && route.idleActivity) authenticator.touch(session);
        return forwarding.forward(trace, located, identity);
      case 'step-up': {
        const { reason } = decision;
        const { level } = located.request.demand ?? {};
        if (session) return { kind: 'step-up', route, target, session, reason, ...(level && { level }) };
        // A program proves itself with each request, and has nobody who could be asked for more.
        if (reason !== 'too-old') return { kind: 'authenticate', route, target, offers: [], reason, isProgram: true };
        return refuse('LOGIN_REQUIRED', reason, 'a fresh login is needed', { route, principal });
      }
      case 'deny':
        return refuse('ACCESS_DENIED', decision.reason, 'policy says no', { route, principal });
      default:
        return decision satisfies never;
    }
  }

  /** A host narrows: whatever else a location asks, users of other tenants are nobody's guests there. */
  #refuseTenant(trace: Trace, { target, route }: Located, principal: Principal): Verdict | undefined {
    if (this.#parts.tenants.admits(principal.tenant, target)) return undefined;
    trace.decision = { kind: 'deny', reason: 'tenant-mismatch' };
    const detail = `the host ${target.host} is of another tenant than ${principal.tenant}`;
    return refuse('ACCESS_DENIED', 'tenant-mismatch', detail, { route, principal });
  }

  /** The page of the next step at a page load; whatever else a browser asks for meanwhile begins nothing. */
  async #beginLogin(
    trace: Trace,
    { request, target, route }: Located,
    { principal, reason, reply, begin }: Extract<Identity, { kind: 'unfinished' }>,
  ): Promise<Verdict> {
    const isPage = request.method === 'GET' && !request.upgrade && isNavigation(request.headers);
    if (!isPage) return { kind: 'authenticate', route, target, offers: [], reason };
    const result = await begin();
    if (result.kind === 'unavailable')
      return refuse('PROVIDER_UNAVAILABLE', result.reason, 'a login could not begin', { route, retryAfter: 10 });
    if (result.kind !== 'pending') return { kind: 'authenticate', route, target, offers: [], reason };
    trace.principal = principal;
    trace.reply = { ...trace.ofRoute, ...reply, 'set-cookie': result.cookies };
    return { kind: 'login-step', route, target, location: stepAddress(result), reason };
  }

  /** A browser sends cookies with a WebSocket that any site opens, and no preflight: the origin must be ours (CWE-1385). */
  #refuseUpgrade({ request, target, route }: Located): Verdict | undefined {
    if (!request.upgrade) return undefined;
    if (!route.websocket)
      return refuse('BAD_REQUEST', 'upgrade-refused', 'the location takes no WebSockets', { route });
    const origin = request.headers.single('origin');
    const own = this.#parts.origins.trustedAt(target);
    if (origin === undefined || origin === own || route.allowedOrigins.includes(origin)) return undefined;
    return refuse('ORIGIN_MISMATCH', 'origin-mismatch', 'the WebSocket comes from another origin', { route });
  }
}

function withoutUser(request: GatewayRequest): GatewayRequest {
  return { ...request, headers: barePreflight(request.headers) };
}
