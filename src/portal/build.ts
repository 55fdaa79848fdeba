/** Makes the gateway's own addresses of one configuration, over the login that they lead to. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Store } from '../core/store.ts';
import type { Login } from '../login/build.ts';
import type { PageOptions } from '../pages/options.ts';
import { createPages } from '../pages/pages.ts';
import type { AssertionSigner } from '../proxy/assertion.ts';
import type { BoundCookies } from '../proxy/bound-cookies.ts';
import type { Connections } from '../proxy/connections.ts';
import type { SiteOrigins } from '../routing/site-origins.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { PasswordOptions } from '../users/password-options.ts';
import type { ApplicationsOf, PortalParts } from './context.ts';
import { PageSender, type RouteWords } from './page-sender.ts';
import { Portal } from './portal.ts';
import { SavedPosts } from './post-replay.ts';

/** What of a configuration concerns the portal. */
export interface PortalOptions {
  readonly publicUrl: URL;
  readonly pages: PageOptions;
  readonly passwords: PasswordOptions;
  /** Seconds for which pages tell browsers to use https only. */
  readonly hsts: number | undefined;
  readonly words: RouteWords;
  /** The provider that is followed at once, instead of showing the login page. */
  readonly defaultMethod: string | undefined;
  readonly applications: ApplicationsOf;
  readonly labelAt: PortalParts['labelAt'];
  readonly demandAt: PortalParts['demandAt'];
  /** Where to go from a page of one's own: the start page, where it shows anything. */
  readonly homeHref: string;
}

/** What the portal needs of the process, and of the rooms below it. */
interface PortalServices {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  readonly connections: Connections;
  readonly origins: SiteOrigins;
  readonly sessions: Sessions;
  readonly signer: AssertionSigner;
  readonly cookies: BoundCookies;
  /** How many processes share the machine's limits. */
  readonly workers?: number;
}

/** The portal, and what answers of other addresses share with it. */
interface Front {
  readonly portal: Portal;
  readonly pages: PageSender;
  readonly posts: SavedPosts;
}

/** Makes all of it. */
export function buildPortal(options: PortalOptions, services: PortalServices, login: Login): Front {
  const { publicUrl, defaultMethod, applications, labelAt, demandAt, homeHref } = options;
  const { clock, log, store, connections, origins, sessions, signer, cookies, workers = 1 } = services;
  const { providers, lockout: _lockout, ...ways } = login;
  const pages = new PageSender(
    createPages(options.pages, options.passwords),
    publicUrl,
    options.words,
    options.hsts,
    homeHref,
  );
  const posts = new SavedPosts({ store, clock, browsers: login.browsers, sessions, origins, publicUrl, workers });
  const portal = new Portal({
    ...ways,
    log,
    clock,
    publicUrl,
    origins,
    pages,
    sessions,
    posts,
    defaultMethod,
    applications,
    labelAt,
    demandAt,
    homeHref,
    signer,
    cookies,
    cut: (sessionId) => void connections.end(sessionId, 'signed-out'),
    logoutAddress: (ended) => providers.logoutAddress(ended, publicUrl),
    label: providers.label,
  });
  return { portal, pages, posts };
}
