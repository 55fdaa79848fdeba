/** The composition root: makes a gateway of a configuration, whole or not at all. Nothing else constructs the parts. */
import { networks } from '../config/values.ts';
import type { Route } from '../core/route.ts';
import { AmbientSessions } from '../login/ambient-sessions.ts';
import { RequestAuthenticator } from '../login/authenticate-request.ts';
import { Browsers } from '../login/browser.ts';
import { FlowStates } from '../login/flow-state.ts';
import { Flows } from '../login/flows.ts';
import { PasswordLogin } from '../login/password-login.ts';
import { buildProviders, type Providers } from '../login/providers.ts';
import { SessionRefresher } from '../login/refresh.ts';
import { SignIn } from '../login/sign-in.ts';
import { createPages } from '../pages/pages.ts';
import { compileRoles } from '../policy/roles.ts';
import { PageSender, type RouteWords } from '../portal/page-sender.ts';
import { Portal } from '../portal/portal.ts';
import { SavedPosts } from '../portal/post-replay.ts';
import { AssertionSigner } from '../proxy/assertion.ts';
import { Forwarder } from '../proxy/forward.ts';
import { UpstreamPools } from '../proxy/upstream-pool.ts';
import { WebSocketOpener } from '../proxy/websocket/opener.ts';
import { compileLocations, type LocationOptions } from '../routing/locations.ts';
import { Sessions } from '../sessions/sessions.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { Lockout } from '../users/lockout.ts';
import { Decliner } from './answer.ts';
import type { Carrier } from './carriers/carrier.ts';
import { ForwardAuthCarrier } from './carriers/forward-auth.ts';
import { askedSetting, isForwardAuth } from './carriers/forward-auth-request.ts';
import { HttpCarrier } from './carriers/http.ts';
import { UpgradeCarrier } from './carriers/websocket.ts';
import { composerOf, identityNames, isOwnCookie } from './composer.ts';
import type { Document } from './document.ts';
import { Pipeline } from './pipeline.ts';
import { labelsOf, routesOf } from './routes.ts';
import type { Services } from './services.ts';
import { SessionWatch } from './session-watch.ts';
import { hstsHeader, hstsSeconds, redirectToHttps } from './transport-security.ts';
import { UnderWay } from './under-way.ts';

/** A gateway of one configuration. A reload builds another over the same services. */
export interface Gateway extends Carrier {
  readonly document: Document;
  readonly providers: Providers;
  readonly sessions: Sessions;
  readonly pipeline: Pipeline;
  readonly authenticator: RequestAuthenticator;
  readonly portal: Portal;
  readonly decliner: Decliner;
  /** Forgets the failures that have locked a user's name. */
  unlock(username: string): Promise<void>;
  /** Lets `close` wait for work that something else carries. */
  hold(work: Promise<void>): void;
  /** Ends what only this configuration needed: pools, directory connections, timers. Requests under way finish first. */
  close(): Promise<void>;
}

/** What the rooms of one gateway share. */
interface Ground {
  readonly document: Document;
  readonly services: Services;
  readonly publicUrl: URL;
  readonly routes: readonly Route[];
  readonly isTrusted: (address: string) => boolean;
  readonly recorder: Recorder;
  readonly signer: AssertionSigner;
  readonly browsers: Browsers;
  readonly sessions: Sessions;
  readonly providers: Providers;
}

/** The ways to be somebody: by a session, by the request's own proof, by a form. */
interface Login {
  readonly signIn: SignIn;
  readonly authenticator: RequestAuthenticator;
  readonly passwordLogin: PasswordLogin;
  readonly lockout: Lockout;
}

/** The gateway's own pages, and the forms that wait behind them. */
interface Front {
  readonly portal: Portal;
  readonly decliner: Decliner;
}

/** Builds a gateway. Throws an OperatorError for what only shows when the parts are put together. */
export async function buildGateway(
  document: Document,
  services: Services,
  locationOptions: LocationOptions = {},
): Promise<Gateway> {
  const routes = routesOf(document);
  const locations = compileLocations(routes, locationOptions);
  const headers = composerOf(document, routes, services.log);
  const ground = await layGround(document, services, routes);
  const login = buildLogin(ground);
  const front = buildFront(ground, login);
  const { clock, log } = services;
  const { sessions, providers, publicUrl, isTrusted, signer, recorder } = ground;
  const { authenticator, lockout } = login;
  const pipeline = new Pipeline({
    clock,
    log,
    isTrusted,
    locations,
    authenticator,
    publicUrl,
    headers,
    signer,
    recorder,
  });
  const carriers = buildCarriers(ground, login, front, pipeline);
  // Last, because a gateway that could not be built must leave no trace in what the one before it shows.
  showInMetrics(ground, carriers.agents);
  const underWay = new UnderWay(log);
  return {
    document,
    providers,
    sessions,
    pipeline,
    authenticator,
    ...front,
    unlock: (username) => lockout.clear(username),
    http: (request, response) =>
      underWay.add((isForwardAuth(request.url) ? carriers.forwardAuth : carriers.http).carry(request, response)),
    takesUpgrade: (target) => !isForwardAuth(target),
    upgrade: (request, socket, head) => underWay.add(carriers.upgrade.carry(request, socket, head)),
    ...(document.server.redirectHttp && { redirect: redirectToHttps({ pipeline, publicUrl, isTrusted }) }),
    hsts: hstsHeader(document.server),
    hold: (work) => underWay.add(work),
    close: async () => {
      carriers.live.close();
      await underWay.settle();
      await sessions.close();
      await Promise.all([carriers.agents.close(), providers.close()]);
    },
  };
}

async function layGround(document: Document, services: Services, routes: readonly Route[]): Promise<Ground> {
  const { clock, log, store, metrics, audit } = services;
  const { publicUrl, trustedProxies } = document.server;
  const signer = new AssertionSigner({ store, clock, log, issuer: publicUrl, ...document.assertion });
  await signer.prepare();
  const browsers = await Browsers.open(store, publicUrl);
  const { idle, lifetime, perUser } = document.session;
  const sessions = new Sessions({ store, clock, log, idle, lifetime, perUser });
  const providers = buildProviders(document, services);
  return {
    document,
    services,
    publicUrl,
    routes,
    isTrusted: networks(trustedProxies),
    recorder: new Recorder(metrics, audit),
    signer,
    browsers,
    sessions,
    providers,
  };
}

function buildLogin({ document, services, publicUrl, recorder, sessions, providers }: Ground): Login {
  const { clock, log, store } = services;
  const { login, roles } = document;
  const { chain, directoryOf } = providers;
  const signIn = new SignIn({
    clock,
    log,
    chain,
    totalTimeout: login.total,
    sessions,
    reservedUsers: login.reservedUsers,
    publicUrl,
    roles: compileRoles(roles),
    directoryOf,
    recorder,
  });
  const linkOf = (name: string) => chain.find((link) => link.name === name);
  const refresher = new SessionRefresher({ store, clock, sessions, log, linkOf });
  const beginnings = new AmbientSessions({ signIn, sessions, clock });
  const lockout = new Lockout({ store, clock, options: login.lockout });
  return {
    signIn,
    authenticator: new RequestAuthenticator({ signIn, sessions, publicUrl, refresher, beginnings }),
    passwordLogin: new PasswordLogin(signIn, lockout),
    lockout,
  };
}

function buildFront(
  { document, services, publicUrl, signer, browsers, sessions, providers }: Ground,
  login: Login,
): Front {
  const { clock, log, store, connections } = services;
  const { signIn, authenticator, passwordLogin } = login;
  const words: RouteWords = ({ access }, reason) => ({ openTo: labelsOf(document, access, reason) });
  const pages = new PageSender(createPages(document.pages), publicUrl, words, hstsSeconds(document.server));
  const posts = new SavedPosts({ store, clock, browsers, publicUrl });
  const portal = new Portal({
    log,
    clock,
    publicUrl,
    pages,
    browsers,
    signIn,
    authenticator,
    passwordLogin,
    sessions,
    posts,
    flows: new Flows(store, clock),
    flowStates: new FlowStates(browsers),
    defaultMethod: document.login.default,
    signer,
    cut: (sessionId) => void connections.end(sessionId, 'signed-out'),
    logoutAddress: (ended) => providers.logoutAddress(ended, publicUrl),
    label: providers.label,
  });
  return { portal, decliner: new Decliner({ portal, posts, pages, publicUrl, clock }) };
}

/** What carries verdicts out, with the connections to the applications. */
function buildCarriers(ground: Ground, { authenticator }: Login, { portal, decliner }: Front, pipeline: Pipeline) {
  const { document, services, publicUrl, routes, isTrusted, recorder, sessions } = ground;
  const { clock, log, connections } = services;
  const agents = new UpstreamPools({ log, clock });
  const forwarder = new Forwarder({ agents, connections, log, isOwnCookie });
  const tunnel = new WebSocketOpener({ agents, connections, log, isOwnCookie });
  return {
    agents,
    live: new SessionWatch({ sessions, connections, recorder, log }),
    http: new HttpCarrier({ log, pipeline, portal, forwarder, decliner }),
    forwardAuth: new ForwardAuthCarrier({
      log,
      pipeline,
      decliner,
      isTrusted,
      publicUrl,
      identityNames: identityNames(document, routes),
      setting: askedSetting(routes, publicUrl),
    }),
    upgrade: new UpgradeCarrier({ log, pipeline, tunnel, touch: (session) => authenticator.touchLive(session) }),
  };
}

function showInMetrics({ document, services: { metrics }, routes, sessions }: Ground, agents: UpstreamPools): void {
  metrics.countSessionsBy(() => sessions.count());
  metrics.readUpstreamsBy(() => agents.health());
  metrics.retain({ routes: routes.map(({ name }) => name), providers: Object.keys(document.providers) });
}
