/**
 * Binds the cookies that applications set to whoever is signed in: at a browser that two people use one after the other, the
 * second is not let into what the first has left there. One function for whatever carries requests and answers.
 */
import { type Account, accountNamed } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Route } from '../core/route.ts';
import type { Forward } from '../core/verdict.ts';
import { type CookieMarks, markLength } from './cookie-marks.ts';
import type { CookieNames, LearnedCookie } from './cookie-names.ts';
import { foldName } from './cookie-names.ts';
import { isExpired, type OwnCookie, readPairs, readSetCookie, type SetCookie } from './cookies.ts';

/** What browsers keep of a name and its value together, in bytes. */
const maxCookie = 4096;
/** What the cookies that a sign-out expires may take of its answer's head, in characters: proxies in front have small buffers. */
const maxExpirations = 2048;
/** Lines of the log about cookies that cannot be bound. */
const maxReports = 256;

interface BoundCookiesParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly marks: CookieMarks;
  readonly names: CookieNames;
  readonly routes: readonly Route[];
  readonly isOwnCookie: OwnCookie;
  /** Whether browsers come by https. */
  readonly isSecure: boolean;
  /** Whether the site has a host below another, which its cookies with a `Domain` would reach. */
  readonly hasHostBelow: (host: string) => boolean;
}

/** Whose request it is, and for which route. */
interface CookieVisitor {
  readonly route: Route;
  /** Without port: cookies do not tell ports apart. */
  readonly host: string;
  /** Undefined where the browser has no live session, and no other proof has been given. */
  readonly account?: Account | undefined;
  /** What is bound to the account without a mark passes: nothing could mark it. */
  readonly takesUnmarked: boolean;
  /** Whether the upstream hears who it is. */
  readonly isIdentified: boolean;
}

/** What an upstream is sent of a browser's cookies. */
interface AdmittedCookies {
  readonly cookies?: string;
  /** `Set-Cookie` lines that delete what belongs to somebody else; they go before those of the upstream. */
  readonly expires: readonly string[];
}

/** Marks cookies on their way to browsers, and judges them on their way back. */
export class BoundCookies {
  readonly #parts: BoundCookiesParts;
  readonly #named = new Map<string, ReadonlySet<string>>();
  /** By the name of a route, those that lead to the same application and bind cookies, itself among them. */
  readonly #siblings: ReadonlyMap<string, readonly Route[]>;
  readonly #reported = new Set<string>();

  constructor(parts: BoundCookiesParts) {
    this.#parts = parts;
    const binding = parts.routes.filter(({ bind }) => bind !== 'off');
    this.#siblings = new Map(
      binding.map((route) => [route.name, binding.filter((one) => isSameApplication(one, route))]),
    );
    for (const { name, bind } of parts.routes)
      if (typeof bind === 'object') this.#named.set(name, new Set(bind.map(foldName)));
  }

  /** What was learned: as long as it is the same, `admit` says the same of cookies without a mark. */
  get version(): number {
    return this.#parts.names.version;
  }

  /** A `Set-Cookie` of a route's upstream, as the browser may see it, with the mark of whoever was told to the upstream. */
  mark(line: string, { route, target, principal }: Pick<Forward, 'route' | 'target' | 'principal'>): string {
    if (!principal || route.bind === 'off') return line;
    const cookie = readSetCookie(line);
    if (!cookie || this.#parts.isOwnCookie(cookie.name) || isExpired(cookie, this.#parts.clock.now())) return line;
    const { name, value, rest } = cookie;
    const learned = learnedOf(cookie, target.path);
    const isMeant = this.#isMeant(route, cookie);
    const obstacle = isMeant ? this.#obstacleTo(cookie, target.host) : undefined;
    if (!isMeant || obstacle !== undefined) {
      if (obstacle !== undefined) this.#report(route, name, obstacle);
      // From here on nothing tells one that was left alone from one whose mark was taken off.
      if (obstacle !== undefined || this.#isKnown(route, name))
        this.#parts.names.learn(route.name, { ...learned, isMixed: true });
      return line;
    }
    if (!this.#parts.names.learn(route.name, learned)) this.#report(route, name, noRoom);
    const account = accountNamed(principal.subject, principal.tenant);
    return `${name}=${this.#parts.marks.mark({ host: target.host, name, value }, account)}${rest}`;
  }

  /** A `Cookie` value of a browser: what is the visitor's own goes on without its mark, what is somebody else's is taken out. */
  admit(cookies: string, visitor: CookieVisitor): AdmittedCookies {
    const { account, host, isIdentified } = visitor;
    const kept: string[] = [];
    const expires: string[] = [];
    for (const { name, value, pair } of readPairs(cookies)) {
      const judged = this.#parts.marks.judge({ host, name, value }, account);
      if (judged.kind === 'own') kept.push(`${name}=${judged.value}`);
      else if (judged.kind === 'another') {
        if (isIdentified) expires.push(...this.#expirationsOf(name, visitor));
      } else if (!this.#isStripped(visitor, name, pair)) kept.push(pair);
    }
    return { ...(kept.length > 0 && { cookies: kept.join('; ') }), expires };
  }

  /** `Set-Cookie` lines that take from a browser what applications have bound to whoever was signed in at this host. */
  expirations(host: string): readonly string[] {
    const lines = new Set<string>();
    let length = 0;
    for (const route of this.#parts.routes.filter((one) => one.bind !== 'off' && isAt(one, host)))
      for (const cookie of this.#boundOn(route))
        for (const line of this.#deletions(cookie, host)) {
          if (lines.has(line) || length + line.length > maxExpirations) continue;
          lines.add(line);
          length += line.length;
        }
    return [...lines];
  }

  /** Whether somebody has taken the mark off a cookie that would have one. */
  #isStripped({ route, takesUnmarked, isIdentified }: CookieVisitor, name: string, pair: string): boolean {
    if (takesUnmarked || !isIdentified || route.bind === 'off') return false;
    if (this.#isKnown(route, name)) return true;
    // Some applications end a cookie at a blank, a comma or a quotation mark, and would find another one behind it.
    for (const [, hidden = ''] of pair.matchAll(/[\s,"]([^\s=,;"]+)\s*=/g))
      if (this.#isKnown(route, hidden)) return true;
    return false;
  }

  /** Whether an unmarked cookie of a name cannot be what the application has set, by whichever of its routes. */
  #isKnown(route: Route, name: string): boolean {
    const routes = this.#siblings.get(route.name) ?? [route];
    if (routes.some((one) => this.#parts.names.find(one.name, name)?.isMixed)) return false;
    return routes.some((one) => this.#isKnownOn(one, name));
  }

  #isKnownOn(route: Route, name: string): boolean {
    const learned = this.#parts.names.find(route.name, name);
    if (typeof route.bind === 'object') return this.#named.get(route.name)?.has(foldName(name)) === true;
    return learned !== undefined && (route.bind === 'all' || learned.httpOnly);
  }

  #isMeant({ name: routeName, bind }: Route, { name, attributes }: SetCookie): boolean {
    if (typeof bind === 'object') return this.#named.get(routeName)?.has(foldName(name)) === true;
    return bind === 'all' || (bind === 'httpOnly' && attributes.has('httponly'));
  }

  /** What keeps a cookie from being bound, in the log's words. */
  #obstacleTo(cookie: SetCookie, host: string): string | undefined {
    const domain = domainOf(cookie);
    if (domain !== '' && (domain !== host || this.#parts.hasHostBelow(host))) return domainIsWider;
    return cookie.name.length + cookie.value.length + markLength > maxCookie ? wouldBeTooLong : undefined;
  }

  #boundOn(route: Route): Iterable<LearnedCookie> {
    if (typeof route.bind !== 'object')
      return [...this.#parts.names.of(route.name)].filter(({ httpOnly }) => route.bind === 'all' || httpOnly);
    const paths = [...new Set(['/', ...(route.modifier.startsWith('~') ? [] : [route.path])])];
    const plain = { httpOnly: true, domain: false, partitioned: false, isMixed: false };
    return route.bind.map((name) => this.#parts.names.find(route.name, name) ?? { name, paths, ...plain });
  }

  #expirationsOf(name: string, { route, host }: CookieVisitor): readonly string[] {
    const known = this.#parts.names.find(route.name, name);
    const cookies = known ? [known] : this.#parts.names.named(name);
    const plain = { name, paths: ['/'], httpOnly: true, domain: false, partitioned: false, isMixed: false };
    return [
      ...new Set((cookies.length > 0 ? cookies : [plain]).flatMap((one) => this.#deletions({ ...one, name }, host))),
    ];
  }

  #deletions({ name, paths, domain, partitioned }: LearnedCookie, host: string): readonly string[] {
    const secure = this.#parts.isSecure || partitioned ? '; Secure' : '';
    const end = `; Max-Age=0${secure}${partitioned ? '; SameSite=None; Partitioned' : ''}`;
    return paths.flatMap((path) => {
      const line = `${name}=; Path=${path}`;
      return domain ? [`${line}${end}`, `${line}; Domain=${host}${end}`] : [`${line}${end}`];
    });
  }

  #report(route: Route, cookie: string, why: string): void {
    const key = `${route.name}\n${cookie}\n${why}`;
    if (this.#reported.has(key) || this.#reported.size >= maxReports) return;
    this.#reported.add(key);
    this.#parts.log.warn({ route: route.name, cookie }, why);
  }
}

const domainIsWider =
  'a cookie of an application reaches further hosts by its Domain: it is not bound to whoever is signed in';
const wouldBeTooLong = 'a cookie of an application is too long for a mark: it is not bound to whoever is signed in';
const noRoom =
  'an application has more bound cookies than are remembered: this one is marked, but not missed where it comes without its mark; name it in cookies.bind';

function learnedOf(cookie: SetCookie, path: string): LearnedCookie {
  const { name, attributes } = cookie;
  const said = attributes.get('path') ?? '';
  const at = said.startsWith('/') ? said : defaultPath(path);
  const flags = { httpOnly: attributes.has('httponly'), partitioned: attributes.has('partitioned') };
  return { name, paths: [at], ...flags, domain: domainOf(cookie) !== '', isMixed: false };
}

/** RFC 6265 §5.1.4; what follows a semicolon no attribute can say. */
function defaultPath(path: string): string {
  const [plain = ''] = path.split(';', 1);
  return plain.slice(0, plain.lastIndexOf('/')) || '/';
}

function domainOf({ attributes }: SetCookie): string {
  return (attributes.get('domain') ?? '').replace(/^\./, '').toLowerCase();
}

/** Whether two routes share a server: a cookie that one of them has set may come by the other. */
function isSameApplication(one: Route, other: Route): boolean {
  const origins = new Set(one.upstream?.servers.map(({ origin }) => origin));
  return one === other || other.upstream?.servers.some(({ origin }) => origins.has(origin)) === true;
}

/** Whether a route is reached by a host. */
function isAt({ host }: Route, asked: string): boolean {
  if (host === undefined) return true;
  const name = host.replace(/:\d+$/, '');
  return name === asked || (name.startsWith('*.') && asked.endsWith(name.slice(1)));
}
