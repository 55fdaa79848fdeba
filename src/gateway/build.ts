/** The composition root: makes a gateway of a configuration, whole or not at all. Nothing else constructs the parts. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { networks } from '../config/values.ts';
import type { Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import { createPages } from '../pages/pages.ts';
import { compileRoles } from '../policy/roles.ts';
import { Agents } from '../proxy/agents.ts';
import { AssertionSigner } from '../proxy/assertion.ts';
import { Forwarder } from '../proxy/forward.ts';
import type { HeaderComposer } from '../proxy/headers.ts';
import { Tunnel } from '../proxy/upgrade.ts';
import { compileLocations, type LocationOptions } from '../routing/locations.ts';
import { Sessions } from '../sessions/sessions.ts';
import { Lockout } from '../users/lockout.ts';
import { type AskedSetting, isForwardAuth } from './asked-request.ts';
import { composerOf, identityNames, isOwnCookie } from './composer.ts';
import { Decliner } from './declined.ts';
import type { Document } from './document.ts';
import { ForwardAuthCarrier } from './forward-auth.ts';
import { HttpCarrier } from './http.ts';
import { hstsHeader, hstsSeconds, redirectToHttps } from './listeners/transport-security.ts';
import { LiveSessions } from './live.ts';
import { Beginnings } from './login/beginnings.ts';
import { Identification } from './login/identify.ts';
import { PasswordLogin } from './login/password-login.ts';
import { buildProviders, type Providers } from './login/providers.ts';
import { Refresher } from './login/refresh.ts';
import { SignIn } from './login/sign-in.ts';
import { Pipeline } from './pipeline.ts';
import { Browsers } from './portal/browser.ts';
import { FlowNames } from './portal/flow-names.ts';
import { Flows } from './portal/flows.ts';
import { PageSender } from './portal/pages.ts';
import { Portal } from './portal/portal.ts';
import { PostKeeper } from './portal/replay.ts';
import { Recorder } from './record.ts';
import { routesOf } from './routes.ts';
import type { Carrier } from './servers.ts';
import type { Services } from './services.ts';
import { UpgradeCarrier } from './upgrade.ts';

/** A gateway of one configuration. A reload builds another over the same services. */
export interface Gateway extends Carrier {
  readonly document: Document;
  readonly providers: Providers;
  readonly sessions: Sessions;
  readonly pipeline: Pipeline;
  readonly composer: HeaderComposer;
  readonly identification: Identification;
  readonly portal: Portal;
  readonly decliner: Decliner;
  /** Forgets the failures that have locked a user's name. */
  unlock(username: string): Promise<void>;
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
  const { clock, log, store, metrics, audit, connections } = services;
  const { server, login, session } = document;
  const { publicUrl } = server;
  const routes = routesOf(document);
  const isTrusted = networks(server.trustedProxies);
  const recorder = new Recorder(metrics, audit);
  const signer = new AssertionSigner({ store, clock, log, issuer: publicUrl, ...document.assertion });
  await signer.prepare();
  const browsers = await Browsers.open(store, publicUrl);
  const sessions = new Sessions({
    store,
    clock,
    log,
    idle: session.idle,
    lifetime: session.lifetime,
    perUser: session.perUser,
  });
  const locations = compileLocations(routes, locationOptions);
  const composer = composerOf(document, routes, log);
  const pages = new PageSender(
    createPages(document.pages),
    publicUrl,
    (route, reason) => ({
      openTo: labelsOf(document, route.access, reason),
    }),
    hstsSeconds(server),
  );
  const providers = buildProviders(document, services);
  const agents = new Agents({ log, clock });

  const signIn = new SignIn({
    clock,
    log,
    chain: providers.chain,
    totalTimeout: login.total,
    sessions,
    reservedUsers: login.reservedUsers,
    publicUrl,
    roles: compileRoles(document.roles),
    directoryOf: providers.directoryOf,
    recorder,
  });
  const linkOf = (name: string) => providers.chain.find((link) => link.name === name);
  const refresher = new Refresher({ store, clock, sessions, log, linkOf });
  const beginnings = new Beginnings({ signIn, sessions, clock });
  const identification = new Identification({ signIn, sessions, publicUrl, refresher, beginnings });
  const lockout = new Lockout({ store, clock, options: login.lockout });
  const passwordLogin = new PasswordLogin(signIn, lockout);
  const posts = new PostKeeper({ store, clock, browsers, publicUrl });
  const pipeline = new Pipeline({
    clock,
    log,
    isTrusted,
    locations,
    identification,
    publicUrl,
    headers: composer,
    signer,
    recorder,
  });
  const portal = new Portal({
    log,
    clock,
    publicUrl,
    pages,
    browsers,
    signIn,
    identification,
    passwordLogin,
    sessions,
    posts,
    flows: new Flows(store, clock),
    flowNames: new FlowNames(browsers),
    defaultMethod: login.default,
    signer,
    cut: (sessionId) => void connections.end(sessionId, 'signed-out'),
    logoutAddress: (ended) => providers.logoutAddress(ended, publicUrl),
    label: providers.label,
  });
  const forwarder = new Forwarder({ agents, connections, log, isOwnCookie });
  const tunnel = new Tunnel({ agents, connections, log, isOwnCookie });
  const live = new LiveSessions({ sessions, connections, recorder, log });
  const decliner = new Decliner({ portal, posts, pages, publicUrl, clock });
  const http = new HttpCarrier({ log, pipeline, portal, forwarder, decliner });
  const forwardAuth = new ForwardAuthCarrier({
    log,
    pipeline,
    decliner,
    isTrusted,
    publicUrl,
    identityNames: identityNames(document, routes),
    setting: askedSetting(routes, publicUrl),
  });
  const upgrade = new UpgradeCarrier({ log, pipeline, tunnel, touch: (session) => identification.touchLive(session) });
  metrics.countSessionsBy(() => sessions.count());
  metrics.readUpstreamsBy(() => agents.health());
  metrics.retain({ routes: routes.map(({ name }) => name), providers: Object.keys(document.providers) });

  const underWay = new Set<Promise<void>>();
  const track = (work: Promise<void>): void => {
    underWay.add(work);
    work.then(
      () => underWay.delete(work),
      (error: unknown) => {
        underWay.delete(work);
        log.error({ error }, 'an answer broke');
      },
    );
  };
  return {
    document,
    providers,
    sessions,
    pipeline,
    composer,
    identification,
    portal,
    decliner,
    unlock: (username) => lockout.clear(username),
    http: (request: IncomingMessage, response: ServerResponse) =>
      track((isForwardAuth(request.url) ? forwardAuth : http).carry(request, response)),
    upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => track(upgrade.carry(request, socket, head)),
    ...(server.redirectHttp && { redirect: redirectToHttps({ pipeline, publicUrl, isTrusted }) }),
    hsts: hstsHeader(server),
    hold: track,
    close: async () => {
      live.close();
      await Promise.all(underWay);
      await sessions.close();
      await Promise.all([agents.close(), providers.close()]);
    },
  };
}

/** Which hosts can be asked about; a wildcard stands for the hosts below it. */
function askedSetting(routes: readonly Route[], publicUrl: URL): AskedSetting {
  const hosts = routes.flatMap(({ host }) => (host === undefined ? [] : [host]));
  const isOf = (host: string, known: string) =>
    known.startsWith('*.') ? host.endsWith(known.slice(1)) : host === known;
  return {
    hasHosts: hosts.length > 0,
    isKnownHost: (host) => host === publicUrl.hostname || hosts.some((known) => isOf(host, known)),
  };
}

/** What would have let a visitor pass, in words that visitors know. */
function labelsOf({ roles, providers }: Document, access: Route['access'], reason: Reason): readonly string[] {
  if (typeof access === 'string') return [];
  if (reason === 'provider-not-admitted') return access.providers.map((name) => providers[name]?.label ?? name);
  return access.roles.map((role) => roles[role]?.label ?? role);
}
