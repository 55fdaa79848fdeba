/** What can only be checked with several rooms' options side by side: names that must exist, locations that clash. */
import type { RefinementCtx } from 'zod';
import { quoted } from '../config/issue.ts';
import { OperatorError } from '../core/errors.ts';
import { type LoginDocument, type ProviderDocument, providerKind } from '../login/options.ts';
import { domainProblems } from '../login/typed-names.ts';
import type { RoleOptions } from '../policy/roles.ts';
import { type ApplicationOptions, roleNames } from '../policy/roles-file.ts';
import { compileClaims } from '../proxy/assertion-claims.ts';
import type { HeaderTemplates } from '../proxy/options.ts';
import { compileTemplates } from '../proxy/templates.ts';
import { upstreamFaults } from '../proxy/upstream-options.ts';
import { accessOf } from '../routing/access-options.ts';
import { canonicalRouteHost } from '../routing/host.ts';
import { locationProblems } from '../routing/location-problems.ts';
import { routeName } from '../routing/options.ts';
import { type RoutesDocument, routesOf } from './routes.ts';
import { unknownName } from './unknown-name.ts';

/** The options that have to agree with one another. */
interface CheckedDocument extends RoutesDocument {
  readonly server: {
    readonly health: string | false;
  };
  readonly login: LoginDocument;
  readonly providers: Readonly<Record<string, ProviderDocument>>;
  readonly roles: RoleOptions;
  readonly applications: ApplicationOptions;
}

type Path = (string | number)[];
type Report = (path: Path, message: string, hint?: string, other?: Path) => void;

/** Reports every contradiction between the parts of a configuration, each at the key that is wrong. */
export function checkDocument(document: CheckedDocument, context: RefinementCtx<CheckedDocument>): void {
  const report: Report = (path, message, hint, other) =>
    context.addIssue({ code: 'custom', path, message, input: document, params: { hint, other } });
  checkChain(document, report);
  checkProviders(document, report);
  checkOffline(document, report);
  checkNames(document, report);
  checkRoutes(document, report);
}

function checkChain({ login, providers }: CheckedDocument, report: Report): void {
  const seen = new Set<string>();
  for (const [index, name] of login.chain.entries()) {
    requireName(providers, name, 'provider', ['login', 'chain', index], report);
    if (seen.has(name)) report(['login', 'chain', index], `stands in the chain twice: ${name}`);
    seen.add(name);
  }
  if (login.default !== undefined && !login.chain.includes(login.default))
    report(['login', 'default'], ...unknownName(login.chain, login.default, 'provider of the chain'));
  else if (login.default !== undefined && !isOf(providers, login.default, 'isFederated'))
    report(['login', 'default'], 'must name a provider that the browser is led to: one of type cas or oidc');
}

/** What a kind of provider says of its own options, at the key that it names. */
function checkProviders({ login, providers }: CheckedDocument, report: Report): void {
  for (const [name, options] of Object.entries(providers)) {
    for (const { key, message, hint } of providerKind(options.type)?.checkTogether?.(options) ?? [])
      report(['providers', name, ...key.split('.')], message, hint);
  }
  for (const { path, message, hint, other } of domainProblems(login.chain, providers))
    report([...path], message, hint, other && [...other]);
}

function checkOffline(document: CheckedDocument, report: Report): void {
  const { login, providers } = document;
  const roles = rolesOf(document);
  for (const [index, name] of (login.offline?.providers ?? []).entries()) {
    const path = ['login', 'offline', 'providers', index];
    requireName(providers, name, 'provider', path, report);
    const kind = Object.hasOwn(providers, name) ? providerKind(providers[name]?.type ?? '') : undefined;
    if (kind && (kind.isDirectory !== true || kind.needsNetwork === false))
      report(path, 'must name a provider of type ldap', 'the others are never away, or take no passwords here');
    else if (kind && !login.chain.includes(name))
      report(path, 'is not in login.chain: nobody signs in there', `add ${name} to login.chain, or take it out here`);
  }
  for (const [index, role] of (login.offline?.roles ?? []).entries())
    requireName(roles, role, 'role', ['login', 'offline', 'roles', index], report);
}

/** All that there are, by name. */
function rolesOf(document: CheckedDocument): object {
  return Object.fromEntries(roleNames(document).map((name) => [name, true]));
}

function checkNames(document: CheckedDocument, report: Report): void {
  const { providers, roles, routes } = document;
  const known = rolesOf(document);
  for (const [name, options] of Object.entries(providers))
    for (const key of ['lookup', 'mustExistIn'] as const) {
      const directory: unknown = options[key as keyof typeof options];
      if (typeof directory !== 'string') continue;
      requireName(providers, directory, 'provider', ['providers', name, key], report);
      if (directory === name)
        report(['providers', name, key], 'names itself', 'name another provider that knows the user');
      else if (Object.hasOwn(providers, directory) && !isOf(providers, directory, 'isDirectory'))
        report(['providers', name, key], 'must name a provider that can look users up: one of type ldap or local');
    }
  for (const [name, role] of Object.entries(roles))
    for (const [index, provider] of (role.providers ?? []).entries())
      requireName(providers, provider, 'provider', ['roles', name, 'providers', index], report);
  for (const [index, { access }] of routes.entries()) {
    if (typeof access === 'string') continue;
    for (const [at, role] of access.roles.entries())
      requireName(known, role, 'role', ['routes', index, 'access', 'roles', at], report);
    for (const [at, provider] of access.providers.entries())
      requireName(providers, provider, 'provider', ['routes', index, 'access', 'providers', at], report);
  }
}

/** Whether a provider is of a kind that has a property; true for one that is not there, which is another mistake. */
function isOf(providers: CheckedDocument['providers'], name: string, property: 'isFederated' | 'isDirectory'): boolean {
  const type = providers[name]?.type;
  return type === undefined || providerKind(type)?.[property] === true;
}

function checkRoutes(document: CheckedDocument, report: Report): void {
  const { routes, headers } = document;
  const names = new Map<string, number>();
  let hasFault = false;
  const fault: Report = (...words) => {
    hasFault = true;
    report(...words);
  };
  for (const [index, route] of routes.entries()) {
    const name = routeName(route);
    const first = names.get(name);
    const key = route.name === undefined ? 'location' : 'name';
    // The same location without names is one mistake: that the second would never be reached.
    if (first !== undefined && (route.name !== undefined || routes[first]?.name !== undefined)) {
      const other = ['routes', first, routes[first]?.name === undefined ? 'location' : 'name'];
      fault(
        ['routes', index, key],
        `calls the route like another: ${quoted(name)}`,
        'give one of them another name',
        other,
      );
    }
    if (first === undefined) names.set(name, index);
    if (route.host !== undefined && canonicalRouteHost(route.host) === undefined)
      fault(
        ['routes', index, 'host'],
        'must be a host name such as cc.example.com, cc.example.com:8445 or *.example.com',
      );
    const { bind } = route.cookies;
    const access = accessOf(route.access);
    if (bind !== undefined && bind !== 'off' && (access === 'public' || access === 'deny' || access === 'peers'))
      fault(
        ['routes', index, 'cookies', 'bind'],
        `binds cookies to whoever is signed in, and access: ${access} asks nobody who they are`,
        'take it out, or let the location ask for a login',
      );
    for (const { message, hint } of route.upstream ? upstreamFaults(route.upstream) : [])
      fault(['routes', index, 'upstream'], message, hint);
    const { servers = [] } = route.upstream ?? {};
    if (servers.some(({ path }) => path !== servers[0]?.path))
      fault(['routes', index, 'upstream'], 'must have the same path on every server');
    checkTemplates(route.headers, ['routes', index, 'headers'], fault);
    checkClaims(route.assertion?.claims ?? {}, ['routes', index, 'assertion', 'claims'], fault);
  }
  checkTemplates(headers, ['headers'], fault);
  const { health } = document.server;
  const hidden = routes.findIndex(({ location }) => !location.modifier.startsWith('~') && location.path === health);
  if (hidden >= 0)
    fault(
      ['server', 'health'],
      'is the location of a route, which it would hide',
      'choose a path that no application has, such as /gatehouse-health',
      ['routes', hidden, 'location'],
    );
  if (hasFault) return;
  for (const { index, key, message, hint, first } of locationProblems(routesOf(document)))
    report(['routes', index, key], message, hint, first === undefined ? undefined : ['routes', first, key]);
}

/**
 * Reports locations that a network opens on a site which takes every host: a page of an attacker's name that leads here (DNS
 * rebinding) would be within the network. Which hosts reach an application that holds the gateway is its own affair.
 */
export function checkHostsOfNetworks(
  document: Pick<CheckedDocument, 'routes'> & { readonly server: { readonly anyHost: boolean } },
  context: RefinementCtx,
): void {
  if (!document.server.anyHost) return;
  for (const [index, { access }] of document.routes.entries()) {
    if (typeof access === 'string' || !access.networks || !(access.public || access.satisfy === 'any')) continue;
    context.addIssue({
      code: 'custom',
      path: ['routes', index, 'access', access.public ? 'networks' : 'satisfy'],
      message: 'lets a network in without a login, and server.anyHost takes requests for any host (DNS rebinding)',
      input: document,
      params: { hint: 'name the hosts in server.hosts in the place of anyHost', other: ['server', 'anyHost'] },
    });
  }
}

function checkClaims(claims: Readonly<Record<string, string>>, path: (string | number)[], report: Report): void {
  for (const [name, template] of Object.entries(claims)) {
    try {
      compileClaims({ [name]: template });
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      report([...path, name], error.message.slice(`claims.${name}: `.length), error.hint);
    }
  }
}

function checkTemplates(headers: HeaderTemplates, path: (string | number)[], report: Report): void {
  for (const [name, value] of Object.entries(headers)) {
    if (value === false) continue;
    try {
      compileTemplates([{ name, template: typeof value === 'object' && 'value' in value ? value.value : value }]);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      report([...path, name], error.message.replace(/^headers\.[^:]+: /, ''), error.hint);
    }
  }
}

function requireName(known: object, name: string, what: string, path: Path, report: Report): void {
  if (!Object.hasOwn(known, name)) report(path, ...unknownName(Object.keys(known), name, what));
}
