/** What can only be checked with several rooms' options side by side: names that must exist, locations that clash. */
import type { RefinementCtx } from 'zod';
import type { AdminOptions } from '../admin/options.ts';
import { type LoginDocument, type ProviderDocument, providerKind } from '../login/options.ts';
import type { RoleOptions } from '../policy/roles.ts';
import type { HeaderTemplates } from '../proxy/options.ts';
import { compileTemplates } from '../proxy/templates.ts';
import { canonicalRouteHost } from '../routing/host.ts';
import { locationProblems } from '../routing/location-problems.ts';
import { routeName } from '../routing/options.ts';
import { type RoutesDocument, routesOf } from './routes.ts';

/** The options that have to agree with one another. */
interface CheckedDocument extends RoutesDocument {
  readonly server: {
    readonly listen: readonly URL[];
    readonly publicUrl: URL;
    readonly tls?: unknown;
    readonly redirectHttp: boolean;
  };
  readonly admin: AdminOptions;
  readonly login: LoginDocument;
  readonly providers: Readonly<Record<string, ProviderDocument>>;
  readonly roles: RoleOptions;
}

type Report = (path: (string | number)[], message: string, hint?: string) => void;

/** Reports every contradiction between the parts of a configuration, each at the key that is wrong. */
export function checkDocument(document: CheckedDocument, context: RefinementCtx<CheckedDocument>): void {
  const report: Report = (path, message, hint) =>
    context.addIssue({ code: 'custom', path, message, input: document, ...(hint && { params: { hint } }) });
  checkChain(document, report);
  checkProviders(document, report);
  checkNames(document, report);
  checkListeners(document, report);
  checkRoutes(document, report);
}

function checkChain({ login, providers }: CheckedDocument, report: Report): void {
  const seen = new Set<string>();
  for (const [index, name] of login.chain.entries()) {
    if (!Object.hasOwn(providers, name))
      report(['login', 'chain', index], `names no provider; there are: ${listed(Object.keys(providers))}`);
    if (seen.has(name)) report(['login', 'chain', index], `stands in the chain twice: ${name}`);
    seen.add(name);
  }
  if (login.default !== undefined && !login.chain.includes(login.default))
    report(['login', 'default'], `names no provider of the chain: ${listed(login.chain)}`);
  else if (login.default !== undefined && !isOf(providers, login.default, 'isFederated'))
    report(['login', 'default'], 'must name a provider that the browser is led to: one of type cas or oidc');
}

/** What a kind of provider says of its own options, at the key that it names. */
function checkProviders({ providers }: CheckedDocument, report: Report): void {
  for (const [name, options] of Object.entries(providers)) {
    for (const { key, message, hint } of providerKind(options.type)?.checkTogether?.(options) ?? [])
      report(['providers', name, ...key.split('.')], message, hint);
  }
}

function checkNames({ providers, roles, routes }: CheckedDocument, report: Report): void {
  const exists = (known: object, name: string, path: (string | number)[], what: string): void => {
    if (!Object.hasOwn(known, name)) report(path, `names no ${what}; there are: ${listed(Object.keys(known))}`);
  };
  for (const [name, options] of Object.entries(providers))
    for (const key of ['lookup', 'mustExistIn'] as const) {
      const directory: unknown = options[key as keyof typeof options];
      if (typeof directory !== 'string') continue;
      exists(providers, directory, ['providers', name, key], 'provider');
      if (Object.hasOwn(providers, directory) && !isOf(providers, directory, 'isDirectory'))
        report(['providers', name, key], 'must name a provider that can look users up: one of type ldap or local');
    }
  for (const [name, role] of Object.entries(roles))
    for (const [index, provider] of (role.providers ?? []).entries())
      exists(providers, provider, ['roles', name, 'providers', index], 'provider');
  for (const [index, { access }] of routes.entries()) {
    if (typeof access === 'string') continue;
    for (const [at, role] of access.roles.entries())
      exists(roles, role, ['routes', index, 'access', 'roles', at], 'role');
    for (const [at, provider] of access.providers.entries())
      exists(providers, provider, ['routes', index, 'access', 'providers', at], 'provider');
  }
}

/** Whether a provider is of a kind that has a property; true for one that is not there, which is another mistake. */
function isOf(providers: CheckedDocument['providers'], name: string, property: 'isFederated' | 'isDirectory'): boolean {
  const type = providers[name]?.type;
  return type === undefined || providerKind(type)?.[property] === true;
}

function checkListeners({ server, admin }: CheckedDocument, report: Report): void {
  for (const [index, { protocol, host, port }] of server.listen.entries()) {
    if (protocol === 'https:' && !server.tls)
      report(['server', 'listen', index], 'is https, which needs server.tls: { certificate: FILE, key: FILE }');
    if (host === admin.listen.host && port !== '0')
      report(['admin', 'listen'], 'is the public address; the operator needs one of its own');
  }
  const hasHttps = server.listen.some(({ protocol }) => protocol === 'https:');
  if (server.tls && !hasHttps) report(['server', 'tls'], 'is for an https:// address, and server.listen has none');
  if (!server.redirectHttp) return;
  if (server.publicUrl.protocol !== 'https:') report(['server', 'redirectHttp'], 'needs a publicUrl that is https://');
  else if (!hasHttps || server.listen.every(({ protocol }) => protocol === 'https:'))
    report(['server', 'redirectHttp'], 'needs both an http:// and an https:// address in server.listen');
}

function checkRoutes(document: CheckedDocument, report: Report): void {
  const { routes, headers } = document;
  const names = new Map<string, number>();
  let hasFault = false;
  const fault: Report = (path, message) => {
    hasFault = true;
    report(path, message);
  };
  for (const [index, route] of routes.entries()) {
    const first = names.get(routeName(route));
    if (first !== undefined)
      fault(
        ['routes', index, route.name ? 'name' : 'location'],
        `is called like the route before it (routes[${first}]); give one a name`,
      );
    names.set(routeName(route), index);
    if (route.host !== undefined && canonicalRouteHost(route.host) === undefined)
      fault(['routes', index, 'host'], 'must be a host name such as cc.example.com or *.example.com');
    const { servers } = route.upstream;
    if (servers.some(({ path }) => path !== servers[0]?.path))
      fault(['routes', index, 'upstream'], 'must have the same path on every server');
    checkTemplates(route.headers, ['routes', index, 'headers'], fault);
  }
  checkTemplates(headers, ['headers'], fault);
  if (hasFault) return;
  for (const { index, key, message } of locationProblems(routesOf(document))) report(['routes', index, key], message);
}

function checkTemplates(headers: HeaderTemplates, path: (string | number)[], report: Report): void {
  for (const [name, value] of Object.entries(headers)) {
    if (value === false) continue;
    try {
      compileTemplates([{ name, template: typeof value === 'string' ? value : value.value }]);
    } catch (error) {
      report([...path, name], error instanceof Error ? error.message : String(error));
    }
  }
}

function listed(names: readonly string[]): string {
  return names.length > 0 ? names.join(', ') : 'none';
}
