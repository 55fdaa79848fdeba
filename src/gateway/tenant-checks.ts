/** What can only be checked about tenants with the rest of a configuration beside them: names that must exist, ids that clash. */
import type { RefinementCtx } from 'zod';
import { quoted } from '../config/issue.ts';
import type { TenantOptions, TenantRules } from '../policy/tenant-options.ts';
import { unknownName } from './unknown-name.ts';

/** The options that have to agree with one another. */
interface TenantDocument {
  readonly tenants: TenantOptions;
  readonly tenantRules: TenantRules;
  readonly providers: object;
  readonly roles: Readonly<Record<string, { readonly tenants: readonly string[] }>>;
  readonly routes: readonly { readonly access: string | { readonly tenants: readonly string[] } }[];
}

type Path = (string | number)[];
type Report = (path: Path, message: string, hint?: string, other?: Path) => void;

/** Reports every contradiction, each at the key that is wrong. */
export function checkTenants(document: TenantDocument, context: RefinementCtx<TenantDocument>): void {
  const report: Report = (path, message, hint, other) =>
    context.addIssue({ code: 'custom', path, message, input: document, params: { hint, other } });
  const { tenants, providers, roles, routes } = document;
  const requireAll = (known: object, what: string, names: readonly string[], path: Path): void => {
    for (const [index, name] of names.entries())
      if (!Object.hasOwn(known, name)) report([...path, index], ...unknownName(Object.keys(known), name, what));
  };
  checkIds(tenants, report);
  for (const [name, { match }] of Object.entries(tenants))
    requireAll(providers, 'provider', match.providers, ['tenants', name, 'match', 'providers']);
  for (const [name, role] of Object.entries(roles))
    requireAll(tenants, 'tenant', role.tenants, ['roles', name, 'tenants']);
  for (const [index, { access }] of routes.entries())
    if (typeof access !== 'string')
      requireAll(tenants, 'tenant', access.tenants, ['routes', index, 'access', 'tenants']);
  checkRules(document, report);
}

function checkIds(tenants: TenantOptions, report: Report): void {
  const seen = new Map<string, string>();
  for (const [name, { id }] of Object.entries(tenants)) {
    const first = id === undefined ? undefined : seen.get(id);
    if (first !== undefined && id !== undefined)
      report(
        ['tenants', name, 'id'],
        `is the id of another tenant: ${quoted(id)} is ${first}'s`,
        'give each tenant the id by which the directory knows it',
        ['tenants', first, 'id'],
      );
    else if (id !== undefined) seen.set(id, name);
  }
}

function checkRules({ tenants, tenantRules }: TenantDocument, report: Report): void {
  const { attribute, default: usual, several } = tenantRules;
  const names = Object.keys(tenants);
  const hint = 'write tenants: { acme: { id: "101", company: ACME } }, or leave it out';
  if (names.length === 0) {
    const said = [
      ...(several === 'choose' ? ['several'] : []),
      ...(attribute === undefined ? [] : ['attribute']),
      ...(usual === undefined ? [] : ['default']),
    ];
    for (const key of said) report(['tenantRules', key], 'is about tenants, and there are none', hint);
    return;
  }
  if (usual !== undefined && !Object.hasOwn(tenants, usual))
    report(['tenantRules', 'default'], ...unknownName(names, usual, 'tenant'));
  if (attribute !== undefined && Object.values(tenants).every(({ id }) => id === undefined))
    report(
      ['tenantRules', 'attribute'],
      'holds the id of a tenant, and no tenant has an id',
      'write the id beside each tenant, such as id: "101"',
    );
}
