/** Who may pass a location of nginx, in our words. What cannot be said is closed or asks for a login, never open. */
import { isPreflight } from './cors.ts';
import { isKnown } from './directives.ts';
import { conditionText, type Findings } from './findings.ts';
import { type AccessWords, type ReadNetworks, readNetworks } from './networks.ts';
import type { Directive } from './parse.ts';
import { isMissingFile } from './passing.ts';
import { readPathCondition, turnsAway } from './rewrite-rule.ts';
import { type Scope, variablesIn } from './scope.ts';

/** What an access is read from. */
interface AccessSource {
  readonly scope: Scope;
  /** The blocks of `http`, of the server and of the location itself. */
  readonly http: readonly Directive[];
  readonly server: readonly Directive[];
  readonly own: readonly Directive[];
  /** True: a location stays open that nothing in its server guards. */
  readonly keepsPublic: boolean;
}

/** An access; undefined is anybody who is signed in. */
export interface ReadAccess {
  readonly access: AccessWords;
  /** For the comment at the route. */
  readonly notes: readonly string[];
}

/** Marks a route that nginx asks for no login; what it means stands above the routes. */
export const openNote = 'Open in nginx.';

const loginDirectives = ['auth_request', 'auth_basic', 'auth_jwt', 'auth_digest', 'auth_pam', 'auth_ldap', 'auth_gss'];
const codeDirective = /^access_by_lua/;
/** Blocks of which each directive is one that holds for requests. */
const nested = new Set(['server', 'location', 'if', 'limit_except']);
/** What a client says of itself, or how it came: conditions on these keep nobody out who is somebody else's. */
const harmless = new Set([
  'http_user_agent',
  'http_referer',
  'invalid_referer',
  'host',
  'http_host',
  'scheme',
  'https',
  'server_port',
  'http_x_forwarded_proto',
]);

/** Reads the access of a location. */
export function readAccess(source: AccessSource, findings: Findings): ReadAccess {
  const { scope } = source;
  const closing = [...requestsThatChange(scope), ...conditionsThatClose(source)];
  for (const { directive, what } of closing)
    findings.add('closed', directive.place, what, 'a route cannot say this; choose its access');
  const hasLogin = asksForLogin(scope);
  const isEither = scope.find('satisfy')?.args[0] === 'any' && hasLogin;
  const network = readNetworks(scope, isEither);
  if (closing.length > 0) return denied;
  if (network.kind === 'nobody' && !isEither) {
    findings.add('note', network.directive.place, 'deny all', 'nobody passes in nginx, too');
    return denied;
  }
  if (network.kind === 'some' || network.kind === 'others') {
    const { name, args, place } = network.directive;
    const what = `${name} ${args.join(' ')}`;
    if (!isEither) {
      findings.add('closed', place, what, `${network.why}, which a route cannot say; choose its access`);
      return denied;
    }
    findings.add('refused', place, what, 'networks decide nothing here: everybody has to log in');
  }
  for (const directive of codeOf(scope))
    findings.add('refused', directive.place, directive.name, 'code is not read: a login stands in its place');
  if (network.kind !== 'networks') return hasLogin ? { access: undefined, notes: [] } : open(source);
  return withNetworks(source, network, { hasLogin, isEither }, findings);
}

/** Networks beside a login, or in its place. */
function withNetworks(
  source: AccessSource,
  { networks, directive: { name, args, place } }: Extract<ReadNetworks, { readonly kind: 'networks' }>,
  { hasLogin, isEither }: { readonly hasLogin: boolean; readonly isEither: boolean },
  findings: Findings,
): ReadAccess {
  if (!hasLogin) {
    const { access, notes } = open(source);
    return { access: access === 'public' ? { public: true, networks } : { networks }, notes };
  }
  if (!isEither) return { access: { networks }, notes: [] };
  // A certificate is asked for whatever else is satisfied, and what code asks for is not known.
  const isFree = codeOf(source.scope).length === 0 && source.scope.find('ssl_verify_client')?.args[0] !== 'on';
  if (isFree) return { access: { networks, satisfy: 'any' }, notes: [] };
  findings.add('refused', place, `${name} ${args.join(' ')}`, 'networks decide nothing here: everybody has to log in');
  return { access: undefined, notes: [] };
}

const denied: ReadAccess = { access: 'deny', notes: [] };

/** Whether nginx lets nobody at all into a location. */
export function isShut(scope: Scope): boolean {
  return readNetworks(scope, false).kind === 'nobody' && scope.find('satisfy')?.args[0] !== 'any';
}

/** Nothing asks for a login here. */
function open({ scope, server, http, keepsPublic }: AccessSource): ReadAccess {
  // Its own networks go with it; what guards another location may do so on behalf of this one, too.
  const own = new Set(scope.all('allow', 'deny'));
  // Of `http` the other servers are not looked into.
  const isGuarded = http.some((one) => !own.has(one) && guards(one)) || isGuardedBy(server, own);
  if (keepsPublic && !isGuarded) return { access: 'public', notes: [] };
  return { access: undefined, notes: [openNote] };
}

/** Whether the location asks who somebody is: by whatever means, the gateway's login takes its place. */
function asksForLogin(scope: Scope): boolean {
  return (
    loginDirectives.some((name) => (scope.find(name)?.args[0] ?? 'off') !== 'off') ||
    (scope.find('ssl_verify_client')?.args[0] ?? 'off') === 'on' ||
    codeOf(scope).length > 0
  );
}

function codeOf(scope: Scope): readonly Directive[] {
  return scope.every(({ name }) => codeDirective.test(name));
}

function guards({ name, args }: Directive): boolean {
  return (
    (loginDirectives.includes(name) && args[0] !== 'off') ||
    (name === 'ssl_verify_client' && args[0] !== 'off') ||
    ((name === 'allow' || name === 'deny') && args[0] !== 'all') ||
    codeDirective.test(name) ||
    // What is not known could be a guard.
    !isKnown(name)
  );
}

/** Whether something guards a block, or one within it, beside the rules that are left out. */
function isGuardedBy(body: readonly Directive[], own: ReadonlySet<Directive>): boolean {
  return body.some(
    (directive) =>
      (!own.has(directive) && guards(directive)) ||
      (nested.has(directive.name) && isGuardedBy(directive.body ?? [], own)),
  );
}

interface Closing {
  readonly directive: Directive;
  readonly what: string;
}

/** Directives and code that make other requests of those that came. */
function requestsThatChange(scope: Scope): Closing[] {
  const changing = [
    ...scope.all('proxy_method'),
    ...scope.all('proxy_set_body'),
    ...scope.all('proxy_pass_request_body').filter(({ args }) => args[0] === 'off'),
    ...scope.all('proxy_pass_request_headers').filter(({ args }) => args[0] === 'off'),
    ...scope.every(({ name }) => /rewrite_by_lua/.test(name)),
  ];
  return changing.map((directive) => ({ directive, what: directive.name }));
}

/** Methods and conditions that keep some requests out. */
function conditionsThatClose({ scope, http, server, own }: AccessSource): Closing[] {
  const found: Closing[] = scope
    .all('limit_except')
    .map((directive) => ({ directive, what: `limit_except ${directive.args.join(' ')}` }));
  const conditions = [
    ...server.map((directive) => ({ directive, more: ['request_method'] })),
    ...own.map((directive) => ({ directive, more: [] })),
  ];
  const isPassed = own.some(({ name }) => name === 'proxy_pass');
  for (const { directive, more } of conditions) {
    if (directive.name !== 'if' || !turnsAway(directive) || isLiveTurn(directive) || isPreflight(directive)) continue;
    // Those on the path are locations of their own; that on a missing file is how requests are passed on.
    if (readPathCondition(directive) || (!isPassed && isMissingFile(directive))) continue;
    const names = variablesIn(directive.args.join(' ')).map((name) => sourceOf(http, name, 0));
    if (names.length > 0 && names.every((name) => harmless.has(name) || more.includes(name))) continue;
    found.push({ directive, what: conditionText(directive) });
  }
  return found;
}

/** What `gatehouse export nginx --live` writes: it keeps nobody out, but sends WebSockets and event streams to the gateway. */
export function isLiveTurn({ name, args }: Directive): boolean {
  return name === 'if' && variablesIn(args.join(' ')).join() === 'gatehouse_live';
}

/** What a map goes by; the variable itself where no map makes it. */
function sourceOf(http: readonly Directive[], name: string, depth: number): string {
  const map = http.find((directive) => directive.name === 'map' && directive.args[1] === `$${name}`);
  const [source] = variablesIn(map?.args[0] ?? '');
  return source === undefined || depth > 4 ? name : sourceOf(http, source, depth + 1);
}
