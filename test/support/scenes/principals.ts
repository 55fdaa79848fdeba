/** Makes principals where everybody has the same roles and nobody is of a tenant. */
import { Principals } from '../../../src/login/principals.ts';
import { Privileges } from '../../../src/policy/privileges.ts';
import { tenantRuleOptions } from '../../../src/policy/tenant-options.ts';
import { Tenants } from '../../../src/policy/tenants.ts';

/** The tenants of a configuration that has none. */
export const noTenants = new Tenants({}, tenantRuleOptions.parse({}));

/** Principals with these roles. */
export function principalsWith(...roles: readonly string[]): Principals {
  return new Principals({ tenants: noTenants, roles: () => new Set(roles), privileges: new Privileges({}) });
}
