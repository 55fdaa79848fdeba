/** A location and the application behind it, as configured and frozen at start. */
import type { Network } from './address.ts';
import type { Level } from './proof.ts';
import type { Secret } from './secret.ts';

/** What a location asks of its visitors; empty lists ask nothing. */
interface Requirement {
  /** Any of these. */
  readonly roles: readonly string[];
  /** Any of these. */
  readonly providers: readonly string[];
  /** Any of these; absent asks nothing. */
  readonly tenants?: readonly string[];
  /** Any of these, of the route's application; absent asks nothing. */
  readonly privileges?: readonly string[];
  /** True: a bearer token may stand for a session. */
  readonly bearer?: boolean;
  /** True: programs may show an API token. */
  readonly apiTokens?: boolean;
  /** True: programs may send a name and a password with each request. */
  readonly basic?: boolean;
  /** What proofs must add up to; 1 when absent. */
  readonly level?: Level;
  /** Names of factors, any of which must be among the proofs. */
  readonly factors?: readonly string[];
  /** Milliseconds since the level was last proved. */
  readonly maxAge?: number;
}

/** Who may pass: `optional` is everybody, whoever has a session with their identity; `peers`: machines that the route's service admits. */
export type Access = 'public' | 'optional' | 'deny' | 'peers' | Requirement;

/** Which addresses a location is for. */
export interface NetworkRule {
  /** At least one. */
  readonly networks: readonly Network[];
  /** As in nginx. `all`: nobody from elsewhere gets in; `any`: from here nobody has to sign in. */
  readonly satisfy: 'all' | 'any';
}

/** What scripts of other origins may do at a location, in the words of the Fetch standard. */
export interface CorsRule {
  /** As browsers write them, or `*`: any, without cookies. */
  readonly origins: readonly string[] | '*';
  readonly methods: readonly string[];
  /** Of requests, beside those that every request may have. */
  readonly headers: readonly string[];
  /** Of answers, for scripts to read. */
  readonly exposeHeaders: readonly string[];
  readonly credentials: boolean;
  /** How long a browser need not ask again, in milliseconds. */
  readonly maxAge?: number;
}

/** One server of an upstream: the origin, as in `http://xuc:8070`, or as in nginx `http://unix:/run/app.sock`. */
export interface UpstreamServer {
  readonly origin: string;
  /** Of a Unix socket `http://localhost`, as which it is asked. */
  readonly url: URL;
  readonly socketPath?: string;
  /** Its share of requests beside others; 1 when absent. */
  readonly weight?: number;
  /** True: it is asked only where no other server is there. */
  readonly isBackup?: boolean;
  /** What its certificate must be besides what holds for all servers of the upstream. */
  readonly trust?: ServerTrust;
}

/** By what one server of several is told from any other that a CA vouches for. */
export interface ServerTrust {
  /** The name that its certificate must carry, in place of the host of its address. */
  readonly name?: string;
  /** As `tls/pins.ts` reads them, one of which must be its own. */
  readonly pins?: readonly string[];
  /** Its certificate itself in PEM, which no CA need vouch for. */
  readonly certificate?: string;
}

/** The application behind a route. */
export interface Upstream {
  /** At least one; several are balanced. */
  readonly servers: readonly UpstreamServer[];
  /**
   * nginx's `proxy_pass` with a URI: replaces the matched prefix. Undefined when the URL has no path: the path goes on
   * unchanged.
   */
  readonly path?: string;
  readonly tls?: UpstreamTls;
  /** What its servers are spoken to in; HTTP/1.1 when absent. `grpc` is HTTP/2 with trailers. */
  readonly protocol?: 'h2' | 'h2c' | 'grpc';
  /** By what a visitor is led to the same server again; servers take turns when absent. */
  readonly sticky?: 'cookie' | 'address';
  /** Milliseconds that an idle connection is kept; 0 is not at all, absent the gateway's own time. */
  readonly keepAlive?: number;
}

/** How an https upstream is trusted; the system's CAs when absent. PEM contents, not paths. */
export interface UpstreamTls {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly servername?: string;
}

/** What the gateway answers by itself where no application is behind a route. */
export type FixedAnswer =
  /** `to` is a path or an http(s) address; `${uri}` in it stands for the path and query that were asked for. */
  | { readonly kind: 'redirect'; readonly to: string; readonly status: number }
  | { readonly kind: 'respond'; readonly status: number; readonly body: string; readonly type: string };

/** A header for the upstream: its name and a template such as `${subject}`, or a secret that is sent as it is. */
export interface HeaderRule {
  readonly name: string;
  readonly template: string | Secret;
  /**
   * How characters outside ASCII travel: as percent-encoded UTF-8, or as an RFC 8187 value (`UTF-8''J%C3%A9r%C3%B4me`)
   * for upstreams that expect one. `percent` when absent.
   */
  readonly encoding?: 'percent' | 'rfc8187';
  /** Not sent where no tenants are configured, whatever the variable says there. */
  readonly needsTenant?: true;
}

/** Words of the operator for visitors: one text, or one for each language by its two letters. */
export type WordsForVisitors = string | Readonly<Record<string, string>>;

/** How the start page shows a location. */
export interface Tile {
  readonly label: WordsForVisitors;
  readonly icon?: string;
  /** Tiles of one group stand together, under these words. */
  readonly group?: WordsForVisitors;
  /** Where it leads: a path of the location's host, and a query with its question mark. */
  readonly path: string;
  readonly query: string;
}

/** The signed identity as one application wants it. */
export interface AssertionRule {
  /** Whom it is for; the origin of the upstream when absent. */
  readonly audience?: string;
  /** How long a token is valid, in milliseconds; a minute when absent. */
  readonly lifetime?: number;
  /** Further claims: templates such as `${attribute:org}` by name. */
  readonly claims: Readonly<Record<string, string>>;
}

/** Time limits of a route, in milliseconds; 0 is no limit. */
interface RouteTimeouts {
  readonly connect: number;
  /** Until the upstream's response head. */
  readonly response: number;
  /** Between two parts of a body. */
  readonly idle: number;
}

/** One location. The decision on a request is bound to this very object; nothing matches a second time. */
export interface Route {
  /** Unique; what logs, metrics and the audit call it. Its location as written, unless named. */
  readonly name: string;
  /** Lower-cased; undefined matches every host. A leading `*.` matches one or more labels. */
  readonly host?: string;
  /** nginx's own signs. */
  readonly modifier: '' | '=' | '^~' | '~' | '~*';
  readonly path: string;
  /** Absent where the gateway answers by itself. */
  readonly upstream?: Upstream;
  /** Present where there is no upstream. */
  readonly fixed?: FixedAnswer;
  readonly access: Access;
  /** Whose privileges count here, and are told. */
  readonly application?: string;
  /** What machines must be admitted to, whatever else is asked. */
  readonly service?: string;
  /** True: the application is sent the certificate itself (RFC 9440). */
  readonly forwardsCertificate?: true;
  /** Absent: addresses decide nothing. */
  readonly networks?: NetworkRule;
  /** The header, in lower case, under which an API token may come beside `Authorization`. */
  readonly apiTokenHeader?: string;
  readonly headers: readonly HeaderRule[];
  /** Which cookies of the application are bound to whoever is signed in: none where nobody is asked who they are. */
  readonly bind: 'httpOnly' | 'all' | 'off' | readonly string[];
  readonly assertion?: AssertionRule;
  readonly websocket: boolean;
  /** False: requests here do not count as activity. */
  readonly idleActivity: boolean;
  readonly timeouts: RouteTimeouts;
  /** True: `%2F` may stand in a path and stays as it is, in the match and upstream. `%5C` never may. */
  readonly encodedSlashes: boolean;
  /** True: `;name=value` may stand in a path; it is left out of the match and sent upstream as it is. */
  readonly pathParameters: boolean;
  /** True: a regular expression is taken even though a path made for it can keep the process busy for very long. */
  readonly insecureRegex?: boolean;
  /** True: an identified page that brings no cache rule gets none of ours. */
  readonly keepsCache?: boolean;
  /** True: a small form post that meets an expired session is kept and replayed after login. */
  readonly replayPosts: boolean;
  /** Bytes; 0 is no limit. */
  readonly maxBody: number;
  /** Origins besides the public one that may open WebSockets and send credentials here. */
  readonly allowedOrigins: readonly string[];
  /** Present: preflights are answered here, and every answer says by this who may read it. */
  readonly cors?: CorsRule;
  /** True: a preflight goes to the application, without anybody's identity; nobody has to sign in for it. */
  readonly passesPreflights?: boolean;
  /** True: the client's own Host goes upstream; false: the upstream's. */
  readonly preserveHost: boolean;
  /** What the login page calls it, also where the start page does not show it. */
  readonly label?: WordsForVisitors;
  /** Present where the start page shows it. */
  readonly tile?: Tile;
  /** Whom to ask for access; the refusal page shows it. */
  readonly contact?: WordsForVisitors;
}

/**
 * Whether one address has an answer for nobody and another for whoever is signed in: then neither may be given in the place of the
 * other.
 */
export function hasAnswersByIdentity({ access, networks }: Pick<Route, 'access' | 'networks'>): boolean {
  return access === 'optional' || networks?.satisfy === 'any';
}

/** A route with an application behind it. */
export interface ForwardingRoute extends Route {
  readonly upstream: Upstream;
}

/** Whether an application is behind a route. */
export function isForwarding(route: Route): route is ForwardingRoute {
  return route.upstream !== undefined;
}
