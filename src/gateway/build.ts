/** The composition root: makes a gateway of a configuration, whole or not at all. Nothing else constructs the parts. */
import { networks } from '../config/values.ts';
import { defaultTenant } from '../core/account.ts';
import type { Route } from '../core/route.ts';
import { misdirection, plansOf } from '../edge/listener-plan.ts';
import type { RequestAuthenticator } from '../login/authenticate-request.ts';
import { buildLogin, type Login } from '../login/build.ts';
import type { Providers } from '../login/providers.ts';
import { tableOf } from '../peers/table.ts';
import { buildPortal } from '../portal/build.ts';
import type { Portal } from '../portal/portal.ts';
import { AssertionSigner } from '../proxy/assertion.ts';
import { BoundCookies } from '../proxy/bound-cookies.ts';
import { CookieMarks } from '../proxy/cookie-marks.ts';
import { CookieNames } from '../proxy/cookie-names.ts';
import { Forwarder } from '../proxy/forward.ts';
import { Http2Forwarder } from '../proxy/http2/forwarder.ts';
import { LaneForwarder } from '../proxy/lane/forwarder.ts';
import { reportUnanswerable } from '../proxy/response-headers.ts';
import { UpstreamPools } from '../proxy/upstream-pool.ts';
import { WebSocketOpener } from '../proxy/websocket/opener.ts';
import { hostsBelow, knownHosts, ownHosts } from '../routing/known-hosts.ts';
import { compileLocations, type LocationOptions } from '../routing/locations.ts';
import { SiteOrigins } from '../routing/site-origins.ts';
import { Sessions } from '../sessions/sessions.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { Answers } from './answer.ts';
import { Applications } from './applications.ts';
import type { Carrier } from './carriers/carrier.ts';
import { ForwardAuthCarrier } from './carriers/forward-auth.ts';
import { askedSetting, isForwardAuth } from './carriers/forward-auth-request.ts';
import { HttpCarrier } from './carriers/http.ts';
import { LaneCarrier } from './carriers/lane.ts';
import { LanePermits } from './carriers/lane-permits.ts';
import { UpgradeCarrier } from './carriers/websocket.ts';
import { composerOf, identityNames, isOwnCookie, tokenHeaders } from './composer.ts';
import { CredentialWatch } from './credential-watch.ts';
import type { Document } from './document.ts';
import { FreeLines } from './kept/free-lines.ts';
import { KeptForwards } from './kept/kept-forwards.ts';
import { KeptPermits } from './kept/kept-permits.ts';
import { SessionSights } from './kept/session-sights.ts';
import { PeerAccess } from './peer-access.ts';
import { PeerWatch } from './peer-watch.ts';
import { Pipeline } from './pipeline.ts';
import { portalOptions } from './portal-options.ts';
import { routesOf } from './routes.ts';
import { secretsOf } from './service-secrets.ts';
import type { Services } from './services.ts';
import { SessionWatch } from './session-watch.ts';
import { StandingAccess } from './standing-access.ts';
import { hstsHeader, redirectToHttps } from './transport-security.ts';
import { UnderWay } from './under-way.ts';

/** A gateway of one configuration. A reload builds another over the same services. */
export interface Gateway extends Carrier {
  readonly document: Document;
  readonly login: Login;
  readonly providers: Providers;
  readonly sessions: Sessions;
  readonly pipeline: Pipeline;
  readonly authenticator: RequestAuthenticator;
  readonly portal: Portal;
  readonly answers: Answers;
  readonly cookies: BoundCookies;
  /**
   * Shows this gateway, and no other, in what belongs to the site: metrics and circuit breakers. Call it when it is the one that
   * answers; one that never is leaves no trace.
   */
  putInPlace(): void;
  /** Lets `close` wait for work that something else carries. */
  hold(work: Promise<void>): void;
  /** Ends what only this configuration needed: pools, directory connections, timers. Requests under way finish first. */
  close(): Promise<void>;
}

/** Builds a gateway. Throws an OperatorError for what only shows when the parts are put together. */
export async function buildGateway(
  document: Document,
  services: Services,
  locationOptions: LocationOptions = {},
): Promise<Gateway> {
  const { clock, log, store, metrics, audit } = services;
  const { publicUrl, trustedProxies } = document.server;
  const { idle, lifetime, perUser } = document.session;
  const routes = routesOf(document);
  const locations = compileLocations(routes, locationOptions);
  const origins = new SiteOrigins(publicUrl, routes);
  const headers = composerOf(document, routes, log);
  const { cookies, names } = await buildCookies(document, routes, services);
  const isTrusted = networks(trustedProxies);
  const recorder = new Recorder(metrics, audit);
  const longestLifetime = Math.max(0, ...routes.map(({ assertion }) => (assertion?.lifetime ?? 0) / 1000));
  const signing = { ...document.assertion, longestLifetime };
  const signer = new AssertionSigner({ store, clock, log, issuer: publicUrl, ...signing });
  await signer.prepare();
  const sessions = new Sessions({ store, clock, log, idle, lifetime, perUser });
  const login = await buildLogin(document, { ...services, origins, sessions, recorder });
  const { authenticator, offline, providers } = login;
  const site = siteOf(document);
  const isKnownHost = knownHosts(site, routes);
  const isOwnHost = ownHosts(site, routes);
  const isMisdirected = misdirection(document);
  const peers = new PeerAccess({ clock, table: tableOf(document), tenant: defaultTenant });
  const secrets = secretsOf(document, { clock, lockout: login.addressLockout, metrics });
  const whom = { tenants: login.tenants, worth: login.worth };
  const judging = { clock, peers, secrets, isOwnHost, locations, authenticator, ...whom };
  const applications = new Applications(routes, { ...judging, publicUrl, origins });
  const front = buildPortal(
    portalOptions(document, applications),
    { ...services, origins, sessions, signer, cookies },
    login,
  );
  const answers = new Answers({ ...front, publicUrl, clock });
  const parts = {
    ...judging,
    offline,
    log,
    isTrusted,
    isKnownHost,
    isMisdirected,
    origins,
    headers,
    signer,
    cookies,
    recorder,
  };
  const deciding = { pipeline: new Pipeline(parts), authenticator, portal: front.portal, answers };
  const underWay = new UnderWay(log);
  const keeping = { ...judging, sessions, signer, cookies, freeLines: new FreeLines(headers) };
  const kept = new KeptForwards({ ...keeping, sights: new SessionSights(keeping) });
  const permitSights = new SessionSights({ ...keeping, via: 'forward-auth' });
  const permits = new KeptPermits({ ...keeping, sights: permitSights });
  const carrying = { ...deciding, document, routes, origins, cookies, isTrusted, underWay, recorder, kept, permits };
  const { carrier, pools } = buildCarriers(carrying, services);
  const access = new StandingAccess(judging);
  const watch = new SessionWatch({ sessions, recorder, access, authenticator, ...services });
  const credentials = new CredentialWatch({ access, programs: login.programs, ...services });
  const machines = new PeerWatch({ access, ...services });
  return {
    ...{ document, login, providers, sessions, cookies, ...deciding, ...carrier },
    putInPlace: () => {
      metrics.countSessionsBy(
        () => sessions.count(),
        () => login.pendings.count(),
      );
      metrics.readUpstreamsBy(() => pools.health());
      metrics.retain({ routes: routes.map(({ name }) => name), providers: Object.keys(document.providers) });
      const standing = () => login.factors.standing();
      metrics.factors.readStandingBy(standing);
      providers.putInPlace(standing().map(({ identity }) => identity));
    },
    hold: (work) => underWay.add(work),
    close: async () => {
      credentials.close();
      machines.close();
      await Promise.all([watch.close(), login.rechecker.close(), offline.close()]);
      await underWay.whenDone();
      await Promise.all([sessions.close(), names.close()]);
      await Promise.all([pools.close(), providers.close(), login.factors.close()]);
    },
  };
}

/** The hosts of the site: those of its listeners are some. */
function siteOf({ server, ...document }: Document) {
  return { ...server, hosts: [...server.hosts, ...plansOf({ server, ...document }).flatMap(({ hosts }) => hosts)] };
}

/** What binds the cookies of applications to people, with what is known of them. */
async function buildCookies(document: Document, routes: readonly Route[], { clock, log, store, sealer }: Services) {
  const { server } = document;
  const binding = routes.filter(({ bind }) => bind !== 'off').map(({ name }) => name);
  const names = new CookieNames({ store, log, routes: binding });
  await names.open();
  const cookies = new BoundCookies({
    ...{ clock, log, names, routes, isOwnCookie },
    marks: new CookieMarks(sealer),
    isSecure: server.publicUrl.protocol === 'https:',
    hasHostBelow: hostsBelow(siteOf(document), routes),
  });
  return { cookies, names };
}

/** What carries the verdicts of one configuration out. */
interface CarrierParts
  extends Pick<Gateway, 'document' | 'pipeline' | 'authenticator' | 'portal' | 'answers' | 'cookies'> {
  readonly routes: readonly Route[];
  readonly origins: SiteOrigins;
  readonly isTrusted: (address: string) => boolean;
  readonly underWay: UnderWay;
  readonly recorder: Recorder;
  readonly kept: KeptForwards;
  readonly permits: KeptPermits;
}

/** What carries verdicts out, with the connections to the applications. */
function buildCarriers(parts: CarrierParts, { clock, log, connections, sealer }: Services) {
  const { document, routes, origins, cookies, isTrusted, authenticator, portal, answers, pipeline, underWay } = parts;
  const redirectHttp = plansOf(document).some((plan) => plan.redirectHttp);
  const pools = new UpstreamPools({ log, clock, sealer, publicUrl: document.server.publicUrl });
  const rules = { isOwnCookie, cookies, onUnanswerable: reportUnanswerable(log) };
  const forwarder = new Forwarder({ pools, connections, rules });
  const opener = new WebSocketOpener({ pools, connections, rules });
  const http2Forwarder = new Http2Forwarder({ pools, connections, rules });
  const http = new HttpCarrier({ log, pipeline, portal, forwarder, http2Forwarder, answers });
  const told = identityNames(document, routes);
  const forwardAuth = new ForwardAuthCarrier({
    log,
    pipeline,
    answers,
    isTrusted,
    origins,
    identityNames: told,
    tokenHeaders: tokenHeaders(routes),
    setting: askedSetting(routes, document.server),
  });
  const upgrade = new UpgradeCarrier({
    log,
    pipeline,
    answers,
    opener,
    touch: (session) => authenticator.touchLive(session),
  });
  const laneForwarder = new LaneForwarder({ pools, connections, rules });
  const hsts = hstsHeader(document.server);
  const { recorder, kept } = parts;
  const permits = new LanePermits({
    ...{ pipeline, forwardAuth, recorder, hsts },
    kept: parts.permits,
    identityNames: told,
  });
  const lane = new LaneCarrier({
    ...{ log, pipeline, answers, underWay, recorder, kept, permits, hsts },
    forwarder: laneForwarder,
  });
  const carrier: Carrier = {
    ...(document.server.lane && { lane: (exchange) => lane.carry(exchange) }),
    http: (request, response) =>
      underWay.add((isForwardAuth(request.url) ? forwardAuth : http).carry(request, response)),
    takesUpgrade: (target) => !isForwardAuth(target),
    upgrade: (request, socket, head) => underWay.add(upgrade.carry(request, socket, head)),
    ...(redirectHttp && { redirect: redirectToHttps({ pipeline, origins, isTrusted }) }),
    hsts,
  };
  return { pools, carrier };
}
