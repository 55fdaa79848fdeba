/** Who may pass a location of nginx, in our words. What cannot be said is closed or asks for a login, never open. */
import { conditionText, type Findings } from './findings.ts';
import type { Directive } from './parse.ts';
import { type Scope, variablesIn } from './scope.ts';

/** What an access is read from. */
export interface AccessSource {
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
  readonly access: 'public' | 'deny' | undefined;
  /** For the comment at the route. */
  readonly notes: readonly string[];
}

/** Marks a route that nginx asks for no login; what it means stands above the routes. */
export const openNote = 'Open in nginx.';

const loginDirectives = ['auth_request', 'auth_basic', 'auth_jwt', 'auth_digest', 'auth_pam', 'auth_ldap', 'auth_gss'];
const codeDirective = /^access_by_lua/;
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
  const closing = conditionsThatClose(source);
  for (const { directive, what } of closing)
    findings.add('closed', directive.place, what, 'a route cannot say this, so it is closed: choose its access');
  const network = readNetworks(source.scope);
  const hasLogin = asksForLogin(source.scope);
  const isEither = source.scope.find('satisfy')?.args[0] === 'any';
  if (closing.length > 0) return deny(closing.map(({ what }) => `${what} cannot be said here`));
  if (network.kind === 'nobody' && !(isEither && hasLogin)) return { access: 'deny', notes: [] };
  if (network.kind === 'some' && !(isEither && hasLogin)) {
    const why = 'only some networks may pass in nginx, which a route cannot say, so it is closed: choose its access';
    findings.add('closed', network.directive.place, 'allow', why);
    return deny(['only some networks may pass in nginx']);
  }
  for (const directive of network.kind === 'others' ? network.directives : [])
    findings.add('refused', directive.place, `deny ${directive.args.join(' ')}`, 'a route cannot keep networks out');
  return hasLogin ? { access: undefined, notes: [] } : open(source);
}

function deny(notes: readonly string[]): ReadAccess {
  return { access: 'deny', notes: notes.map((note) => `Closed: ${note}. Choose its access.`) };
}

/** Whether nginx lets nobody at all into a location. */
export function isShut(scope: Scope): boolean {
  return readNetworks(scope).kind === 'nobody' && scope.find('satisfy')?.args[0] !== 'any';
}

/** Nothing asks for a login here. */
function open({ server, http, keepsPublic }: AccessSource): ReadAccess {
  const isGuarded = guards(http) || server.some(guardsWithin);
  if (keepsPublic && !isGuarded) return { access: 'public', notes: [] };
  return { access: undefined, notes: [openNote] };
}

/** Whether the location asks who somebody is: by whatever means, the gateway's login takes its place. */
function asksForLogin(scope: Scope): boolean {
  return (
    loginDirectives.some((name) => (scope.find(name)?.args[0] ?? 'off') !== 'off') ||
    (scope.find('ssl_verify_client')?.args[0] ?? 'off') === 'on' ||
    scope.some(({ name }) => codeDirective.test(name))
  );
}

function guards(body: readonly Directive[]): boolean {
  return body.some(
    ({ name, args }) =>
      (loginDirectives.includes(name) && args[0] !== 'off') ||
      (name === 'ssl_verify_client' && args[0] !== 'off') ||
      ((name === 'allow' || name === 'deny') && args[0] !== 'all') ||
      codeDirective.test(name),
  );
}

function guardsWithin(directive: Directive): boolean {
  return guards([directive]) || (directive.body ?? []).some(guardsWithin);
}

type Networks =
  | { readonly kind: 'everybody' | 'nobody' }
  | { readonly kind: 'some'; readonly directive: Directive }
  | { readonly kind: 'others'; readonly directives: readonly Directive[] };

/** The first rule that fits an address counts. */
function readNetworks(scope: Scope): Networks {
  const rules = scope.all('allow', 'deny');
  const end = rules.findIndex(({ args }) => args[0] === 'all');
  const last = rules[end];
  const [first] = rules;
  if (first === undefined) return { kind: 'everybody' };
  const before = rules.slice(0, end === -1 ? rules.length : end);
  if (last?.name === 'deny') {
    const allowed = before.find(({ name }) => name === 'allow');
    return allowed ? { kind: 'some', directive: allowed } : { kind: 'nobody' };
  }
  const denied = before.filter(({ name }) => name === 'deny');
  return denied.length > 0 ? { kind: 'others', directives: denied } : { kind: 'everybody' };
}

/** Methods and conditions that keep some requests out. */
function conditionsThatClose({ scope, http, server, own }: AccessSource) {
  const found: { directive: Directive; what: string }[] = [];
  for (const directive of scope.all('limit_except'))
    found.push({ directive, what: `limit_except ${directive.args.join(' ')}` });
  const conditions = [
    ...server.map((directive) => ({ directive, more: ['request_method'] })),
    ...own.map((directive) => ({ directive, more: [] })),
  ];
  for (const { directive, more } of conditions) {
    if (directive.name !== 'if' || !keepsOut(directive) || isLiveTurn(directive)) continue;
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

function keepsOut({ body = [] }: Directive): boolean {
  return body.some(({ name, args }) => name === 'deny' || (name === 'return' && /^[45]\d\d$/.test(args[0] ?? '')));
}

/** What a map goes by; the variable itself where no map makes it. */
function sourceOf(http: readonly Directive[], name: string, depth: number): string {
  const map = http.find((directive) => directive.name === 'map' && directive.args[1] === `$${name}`);
  const [source] = variablesIn(map?.args[0] ?? '');
  return source === undefined || depth > 4 ? name : sourceOf(http, source, depth + 1);
}
