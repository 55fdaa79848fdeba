/** Which roles an assertion gives, by the configuration, and why. */
import * as z from 'zod';
import type { Assertion } from '../core/principal.ts';
import {
  attributeCondition,
  type Candidate,
  type Condition,
  candidateOf,
  firstReason,
  groupCondition,
  userCondition,
} from './conditions.ts';

const texts = () => z.array(z.string().regex(/\S/, 'must not be empty')).default([]);

/** Who has a role: any of these conditions, within the tenants and providers that are named. */
export const roleConditions = z.strictObject({
  groups: texts().describe('any of these: a name, compared without regard to case, or a DN, which is that group alone'),
  users: texts().describe('any of these user names'),
  providers: texts().describe('anybody who signed in by one of these'),
  attributes: z
    .record(z.string(), z.array(z.string().min(1)).min(1))
    .default({})
    .describe('any of these values of an attribute, compared exactly'),
  only: texts().describe('the role is given to users of these providers alone; all when empty'),
  tenants: texts().describe('the role is given to users of these tenants alone; all when empty'),
});

/** A name and who has it. */
type RoleEntry = readonly [name: string, conditions: z.output<typeof roleConditions>];

const role = z
  .strictObject({
    label: z.string().min(1).optional().describe('what the refusal page calls it; the name of the role when absent'),
    ...roleConditions.shape,
  })
  .refine(
    ({ groups, users, providers, attributes }) =>
      groups.length + users.length + providers.length + Object.keys(attributes).length > 0,
    'must name groups, users, providers or attributes: without any, nobody has the role',
  );

/** The schema of `roles:`. */
export const roleOptions = z.record(
  z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,63}$/, 'must be a short name of letters, digits, dots, hyphens'),
  role,
);

/** The roles as configured. */
export type RoleOptions = z.output<typeof roleOptions>;

/** Gives the roles of an assertion by the configured name of the provider that made it, and by its user's tenant. */
export type RoleGiver = (assertion: Assertion, provider: string, tenant: string) => ReadonlySet<string>;

/** Whether a role was given, and the condition that gave it or the conditions that did not hold. */
export interface RoleExplanation {
  readonly role: string;
  readonly given: boolean;
  readonly why: string;
}

interface CompiledRole {
  readonly name: string;
  readonly conditions: readonly Condition[];
  readonly only: readonly string[];
  readonly tenants: readonly string[];
  readonly wanted: string;
}

/** Compiles the roles; one that stands twice is given where either holds. What it gives never throws for an assertion of the contract's shape. */
export function compileRoles(entries: readonly RoleEntry[]): RoleGiver {
  const roles = compile(entries);
  return (assertion, provider, tenant) => {
    const candidate = candidateOf(assertion, provider);
    return new Set(roles.filter((role) => reasonFor(role, candidate, tenant) !== undefined).map(({ name }) => name));
  };
}

/** Why each role was or was not given, for `explain`. */
export function explainRoles(
  entries: readonly RoleEntry[],
  assertion: Assertion,
  provider: string,
  tenant: string,
): RoleExplanation[] {
  const candidate = candidateOf(assertion, provider);
  return compile(entries).map((role) => {
    const reason = reasonFor(role, candidate, tenant);
    if (reason !== undefined) return { role: role.name, given: true, why: reason };
    return { role: role.name, given: false, why: barred(role, provider, tenant) ?? `none of: ${role.wanted}` };
  });
}

/** What keeps all users of a provider or a tenant from a role. */
function barred({ only, tenants }: CompiledRole, provider: string, tenant: string): string | undefined {
  if (only.length > 0 && !only.includes(provider)) return `only for users of ${only.join(', ')}, not of ${provider}`;
  if (tenants.length > 0 && !tenants.includes(tenant))
    return `only in ${tenants.join(', ')}, not in the tenant ${tenant}`;
  return undefined;
}

function reasonFor(role: CompiledRole, candidate: Candidate, tenant: string): string | undefined {
  if (barred(role, candidate.provider, tenant) !== undefined) return undefined;
  return firstReason(role.conditions, candidate);
}

function compile(entries: readonly RoleEntry[]): CompiledRole[] {
  return entries.map(([name, { groups, users, providers, attributes, only, tenants }]) => ({
    name,
    only,
    tenants,
    conditions: [
      groupCondition(groups),
      userCondition(users),
      ({ provider }) => (providers.includes(provider) ? `provider ${provider}` : undefined),
      attributeCondition(attributes),
    ],
    wanted: [
      ...groups.map((group) => `group ${group}`),
      ...users.map((user) => `user ${user}`),
      ...providers.map((provider) => `provider ${provider}`),
      ...Object.entries(attributes).map(([attribute, values]) => `${attribute} ${values.join(' or ')}`),
    ].join(', '),
  }));
}
