/** What can be set about tenants: `tenants:` and `tenantRules:`. Who belongs where is `tenants.ts`'s. */
import * as z from 'zod';
import { defaultTenant } from '../core/account.ts';
import { isDn } from '../core/dn.ts';
import { readRouteHost } from '../routing/host.ts';

const texts = () => z.array(z.string().regex(/\S/, 'must not be empty')).default([]);

const match = z.strictObject({
  dn: z
    .array(z.string().refine(isDn, 'must be the name of an entry, such as ou=acme,dc=example,dc=com'))
    .default([])
    .describe('entries of a directory: users at or below any of these'),
  groups: texts().describe('any of these: a name, compared without regard to case, or a DN, which is that group alone'),
  attributes: z
    .record(z.string(), z.array(z.string().min(1)).min(1))
    .default({})
    .describe('any of these values of an attribute, compared exactly'),
  domains: z
    .array(z.string().regex(/^[^\s@]+\.[^\s@]+$/, 'must be a mail domain such as acme.example'))
    .default([])
    .describe('users whose e-mail address ends so; an address counts that the provider vouches for'),
  providers: texts().describe('users of any of these'),
});

const tenant = z.strictObject({
  id: z
    .string('must be text: a number needs quotes')
    .regex(/^\S(?:.*\S)?$/, 'must be text without spaces at its ends')
    .optional()
    .describe('its number in the system that knows users by it, such as the DBID in a Configuration Server; in quotes'),
  company: z.string().trim().min(1).max(200).optional().describe('the name of the company, for applications'),
  match: match.prefault({}).describe('whose it is: any of these is enough'),
  hosts: z
    .array(z.string().refine((host) => isPlainHost(host), 'must be a host such as acme.cc.example.com'))
    .default([])
    .describe('hosts of this tenant alone: users of others get 403 there. A host gives nobody a tenant'),
});

/** The schema of `tenants:`. */
export const tenantOptions = z.record(
  z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a short name of lower-case letters, digits and hyphens')
    .refine((name) => name !== defaultTenant, 'must not be default, which says that there are no tenants'),
  tenant,
);

/** The schema of `tenantRules:`. */
export const tenantRuleOptions = z.strictObject({
  attribute: z
    .string()
    .min(1)
    .optional()
    .describe("an attribute of users whose value is a tenant's id; the provider has to read it"),
  default: z.string().optional().describe('the tenant of users who have none; without one they are refused'),
  several: z.enum(['refuse', 'choose']).default('refuse').describe('what becomes of users who have several tenants'),
});

/** The tenants as configured. */
export type TenantOptions = z.output<typeof tenantOptions>;

/** How they are told, as configured. */
export type TenantRules = z.output<typeof tenantRuleOptions>;

function isPlainHost(host: string): boolean {
  const read = readRouteHost(host);
  return read !== undefined && !read.name.startsWith('*');
}
