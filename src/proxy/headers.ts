/**
 * What the upstream is sent as headers: the client's, without any that could pass for ours, then ours, last. Pure, and the
 * same for HTTP and WebSocket. The framing of the body is not here but where the body is sent.
 */
import { plainAddress } from '../core/address.ts';
import type { Log } from '../core/log.ts';
import type { Principal } from '../core/principal.ts';
import { countsOnce, type HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { ShownCredential } from '../core/shown-credential.ts';
import type { Client, Forward } from '../core/verdict.ts';
import { continueTrace, formatTraceparent, parseTraceparent } from '../telemetry/trace.ts';
import { type OwnCookie, stripCookies } from './cookies.ts';
import { setForwarded } from './forwarded-headers.ts';
import { compileNamespace, connectionNamed, fold, hopByHop, isLookedAt, type Namespace } from './header-names.ts';
import { isApiToken, isSpent } from './spent-credentials.ts';
import {
  assertionHeader,
  type CompiledHeader,
  compileTemplates,
  defaultHeaderRules,
  type HeaderSource,
  type RenderedHeaders,
  renderTemplates,
} from './templates.ts';

/** Names the identity headers that were too long, so that no upstream takes an absent list for an empty one. */
const omittedHeader = 'x-gatehouse-omitted';

/** The row of the machine that a certificate is. */
const peerHeader = 'x-gatehouse-peer';

/** With `client` a proxy in front says that it has added none of the names that proxies tell: they are the client's own. */
const clientsHeader = 'x-gatehouse-from';

/** Headers for an upstream, names in lower case. */
type UpstreamHeaders = ReadonlyMap<string, string | readonly string[]>;

/** A request's headers and who stands behind it. */
interface HeaderInput {
  readonly headers: HeaderLines;
  /** After trusted proxies: its scheme is what the upstream is told. */
  readonly client: Pick<Client, 'address' | 'scheme'>;
  /** The peer of the socket. */
  readonly peer: string;
  readonly requestId: string;
  readonly upgrade: boolean;
  readonly principal?: Principal;
  readonly session?: Session;
  /** The signed identity. */
  readonly assertion?: string;
  /** What the request was let in by, where it was no session. */
  readonly credential?: ShownCredential;
  /** The machine whose certificate let it in. */
  readonly machine?: string;
  /** What is told of the certificate itself, and nobody else may tell: of a connection that was asked for one. */
  readonly shown?: { readonly certificate?: Buffer };
  /** What of a `Cookie` without our own goes upstream; all of it when absent. */
  readonly admitCookies?: (cookies: string) => string | undefined;
}

/** What of a route says which headers a request for it is sent with. */
type HeaderRoute = Pick<Route, 'headers' | 'preserveHost'> &
  Partial<Pick<Route, 'access' | 'apiTokenHeader' | 'application'>>;

interface HeaderComposerOptions {
  /** Each with its complete list of rules: the default ones, the general ones, its own. */
  readonly routes: readonly HeaderRoute[];
  /** More names that no client may set, such as those of rules that were switched off. */
  readonly closed?: Iterable<string>;
  readonly isOwnCookie: OwnCookie;
  readonly isTrusted: (address: string) => boolean;
  readonly log?: Log;
}

/** Headers for an upstream, with the names that had to be left out because they are too long. */
interface ComposedHeaders {
  readonly headers: UpstreamHeaders;
  /** How the client spelt the names of its own headers, where not in lower case. */
  readonly spellings: ReadonlyMap<string, string>;
  readonly omitted: readonly string[];
}

/** All that the identity headers follow from, and what they are. */
interface Rendering {
  readonly rules: readonly CompiledHeader[];
  /** The id: of a session, no template says anything else. */
  readonly session: string | undefined;
  readonly assertion: string | undefined;
  readonly application: string | undefined;
  readonly rendered: RenderedHeaders;
}

/**
 * Composes the headers for upstreams.
 *
 * The names of every route's rules are closed on every route: what one application trusts, no client may send to any. Credentials
 * of a client's own are for the application to judge, and stay open where the route sends none in their place.
 */
export class HeaderComposer {
  readonly #namespace: Namespace;
  readonly #namespaceOfStrangers: Namespace;
  readonly #rules: ReadonlyMap<object, readonly CompiledHeader[]>;
  readonly #tokenHeaders: ReadonlySet<string>;
  readonly #isOwnCookie: OwnCookie;
  readonly #isTrusted: (address: string) => boolean;
  readonly #log: Log | undefined;
  readonly #rendered = new WeakMap<Principal, Rendering>();
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor({ routes, closed = [], isOwnCookie, isTrusted, log }: HeaderComposerOptions) {
    const rules = [...defaultHeaderRules, ...routes.flatMap((route) => route.headers)];
    const names = [...rules.map((rule) => rule.name), ...closed].filter((name) => fold(name) !== 'authorization');
    this.#namespace = compileNamespace(names);
    this.#namespaceOfStrangers = compileNamespace(names, { toStrangers: true });
    this.#rules = new Map(routes.map((route) => [route, compileTemplates(route.headers)]));
    this.#tokenHeaders = new Set(routes.flatMap(({ apiTokenHeader }) => apiTokenHeader ?? []));
    this.#isOwnCookie = isOwnCookie;
    this.#isTrusted = isTrusted;
    this.#log = log;
  }

  /** The headers for a request to this route's upstream. */
  compose(route: HeaderRoute, input: HeaderInput): ComposedHeaders {
    const rules = this.#rules.get(route) ?? compileTemplates(route.headers);
    const fromProxy = this.#isTrusted(plainAddress(input.peer));
    const { headers, spellings, trace } = this.#strip(route, input, fromProxy);
    if (rules.some(({ name }) => name === 'authorization')) headers.delete('authorization');
    const host = headers.get('host');
    if (!route.preserveHost) headers.delete('host');

    const { principal } = input;
    const { application } = route;
    const rendered = principal
      ? this.#render(rules, { ...input, principal, application })
      : renderTemplates(rules, undefined);
    setForwarded(headers, input, { host: typeof host === 'string' ? host : undefined, fromProxy });
    headers.set('x-request-id', input.requestId);
    if (!trace) headers.set('traceparent', formatTraceparent(continueTrace(undefined)));
    if (input.upgrade) headers.set('connection', 'Upgrade').set('upgrade', 'websocket');
    for (const [name, value] of rendered.headers) headers.set(name, value);
    if (rendered.omitted.length > 0) {
      headers.set(omittedHeader, rendered.omitted.join(', '));
      this.#report(rendered.omitted, principal?.subject);
    }
    if (input.machine !== undefined) headers.set(peerHeader, input.machine);
    if (input.shown?.certificate) headers.set('client-cert', `:${input.shown.certificate.toString('base64')}:`);
    if (input.assertion !== undefined) headers.set(assertionHeader, input.assertion);
    return { headers, spellings, omitted: rendered.omitted };
  }

  /** Whether lines of a name, in lower case, go upstream as they came, whoever sends them and on whichever route. */
  leavesAlone(name: string): boolean {
    return this.#namespaceOfStrangers.open(name) !== undefined && !isLookedAt(name) && !this.#tokenHeaders.has(name);
  }

  /** The requests of a session follow one another: what the last one of the same principal was given is kept. */
  #render(
    rules: readonly CompiledHeader[],
    { principal, session, assertion, application }: HeaderSource,
  ): RenderedHeaders {
    const last = this.#rendered.get(principal);
    const isSamePlace = last?.rules === rules && last.application === application;
    if (isSamePlace && last.session === session?.id && last.assertion === assertion) return last.rendered;
    const told = { ...(session && { session }), ...(assertion !== undefined && { assertion }) };
    const rendered = renderTemplates(rules, { principal, ...told, application }, assertion?.length ?? 0);
    this.#rendered.set(principal, { rules, session: session?.id, assertion, application, rendered });
    return rendered;
  }

  /** Once a minute: the user it happens to makes every request with the same groups. */
  #report(omitted: readonly string[], user: string | undefined): void {
    const now = performance.now();
    if (now - this.#reportedAt < 60_000) return;
    this.#reportedAt = now;
    this.#log?.warn({ omitted, user }, 'identity headers are too long for upstreams and were left out');
  }

  #strip({ access, apiTokenHeader }: HeaderRoute, input: HeaderInput, fromProxy: boolean): Stripped {
    const named = connectionNamed(input.headers);
    const isProxys = fromProxy && !input.headers.all(clientsHeader).includes('client');
    const namespace = isProxys && !input.shown ? this.#namespace : this.#namespaceOfStrangers;
    const headers = new Map<string, string | string[]>();
    const spellings = new Map<string, string>();
    input.headers.each((spelt, value, spelling) => {
      const name = namespace.open(spelt);
      if (name === undefined || hopByHop.has(name) || name === 'content-length' || named.has(name)) return;
      if (name === apiTokenHeader || isApiToken(value)) return;
      add(headers, name, value);
      if (spelling !== name && !spellings.has(name)) spellings.set(name, spelling);
    });
    const cookie = headers.get('cookie');
    const others = typeof cookie === 'string' ? stripCookies(cookie, this.#isOwnCookie) : undefined;
    const kept = others === undefined || !input.admitCookies ? others : input.admitCookies(others);
    if (kept === undefined) headers.delete('cookie');
    else headers.set('cookie', kept);
    if (isSpent(headers.get('authorization'), access, input)) headers.delete('authorization');
    return { headers, spellings, trace: keepTrace(headers) };
  }
}

/** Names and values in turn for the wire: old servers compare names with their case, so the client's are spelt as they came. */
export function upstreamLines({ headers, spellings }: Pick<Forward, 'headers' | 'spellings'>): string[] {
  const lines: string[] = [];
  for (const [name, value] of headers) {
    const spelling = spellings?.get(name) ?? name;
    if (typeof value === 'string') lines.push(spelling, value);
    else for (const item of value) lines.push(spelling, item);
  }
  return lines;
}

/** What is left of a client's headers, and whether its trace goes on. */
interface Stripped {
  readonly headers: Map<string, string | string[]>;
  readonly spellings: ReadonlyMap<string, string>;
  readonly trace: boolean;
}

function add(headers: Map<string, string | string[]>, name: string, value: string): void {
  const before = headers.get(name);
  if (before === undefined) headers.set(name, value);
  else if (countsOnce(name)) return;
  else if (name === 'cookie') headers.set(name, `${before}; ${value}`);
  else if (typeof before === 'string') headers.set(name, [before, value]);
  else before.push(value);
}

/** True when the client's `traceparent` is valid; else it goes, and `tracestate`, which means nothing without it. */
function keepTrace(headers: Map<string, string | string[]>): boolean {
  const value = headers.get('traceparent');
  if (typeof value === 'string' && parseTraceparent(value)) return true;
  headers.delete('traceparent');
  headers.delete('tracestate');
  return false;
}
