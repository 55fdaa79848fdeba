/** Which roles an assertion gives, by the configuration, and why. */
import * as z from 'zod';
import { foldName, readDn } from '../core/dn.ts';
import type { Assertion } from '../core/principal.ts';
import { canonicalUsername } from '../core/principal.ts';

const texts = () => z.array(z.string().regex(/\S/, 'must not be empty')).default([]);

const role = z
  .strictObject({
    label: z.string().min(1).optional().describe('what the refusal page calls it; the name of the role when absent'),
    groups: texts().describe(
      'any of these: a name, compared without regard to case, or a DN, which is that group alone',
    ),
    users: texts().describe('any of these user names'),
    providers: texts().describe('anybody who signed in by one of these'),
    attributes: z
      .record(z.string(), z.array(z.string().min(1)).min(1))
      .default({})
      .describe('any of these values of an attribute, compared exactly'),
    only: texts().describe('the role is given to users of these providers alone; all when empty'),
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

/** Gives the roles of an assertion by the configured name of the provider that made it. */
type RoleGiver = (assertion: Assertion, provider: string) => ReadonlySet<string>;

/** Whether a role was given, and the condition that gave it or the conditions that did not hold. */
export interface RoleExplanation {
  readonly role: string;
  readonly given: boolean;
  readonly why: string;
}

/** An assertion, with its groups read once for all roles. */
interface Candidate {
  readonly assertion: Assertion;
  readonly provider: string;
  readonly groups: readonly { readonly name: string | undefined; readonly dn: string | undefined }[];
}

/** Says in words what holds, or undefined. */
type Condition = (candidate: Candidate) => string | undefined;

interface CompiledRole {
  readonly name: string;
  readonly conditions: readonly Condition[];
  readonly only: readonly string[];
  readonly wanted: string;
}

/** Compiles the roles. What it gives never throws for an assertion of the contract's shape. */
export function compileRoles(options: RoleOptions): RoleGiver {
  const roles = compile(options);
  return (assertion, provider) => {
    const candidate = candidateOf(assertion, provider);
    return new Set(roles.filter((role) => reasonFor(role, candidate) !== undefined).map(({ name }) => name));
  };
}

/** Why each role was or was not given, for `explain`. */
export function explainRoles(options: RoleOptions, assertion: Assertion, provider: string): RoleExplanation[] {
  const candidate = candidateOf(assertion, provider);
  return compile(options).map((role) => {
    const reason = reasonFor(role, candidate);
    if (reason !== undefined) return { role: role.name, given: true, why: reason };
    const closed = role.only.length > 0 && !role.only.includes(provider);
    const why = closed ? `only for users of ${role.only.join(', ')}, not of ${provider}` : `none of: ${role.wanted}`;
    return { role: role.name, given: false, why };
  });
}

function candidateOf(assertion: Assertion, provider: string): Candidate {
  const groups = valuesOf(assertion, 'groups').map((group) => {
    const dn = group.includes('=') ? readDn(group) : undefined;
    return { name: dn ? dn.leaf : foldName(group), dn: dn?.canonical };
  });
  return { assertion, provider, groups };
}

function reasonFor(role: CompiledRole, candidate: Candidate): string | undefined {
  if (role.only.length > 0 && !role.only.includes(candidate.provider)) return undefined;
  for (const condition of role.conditions) {
    const reason = condition(candidate);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function compile(options: RoleOptions): CompiledRole[] {
  return Object.entries(options).map(([name, { groups, users, providers, attributes, only }]) => {
    const names = new Set(users.map(canonicalUsername));
    const lists = Object.entries(attributes);
    return {
      name,
      only,
      conditions: [
        groupCondition(groups),
        ({ assertion }) => userReason(names, assertion),
        ({ provider }) => (providers.includes(provider) ? `provider ${provider}` : undefined),
        ({ assertion }) => attributeReason(lists, assertion),
      ],
      wanted: [
        ...groups.map((group) => `group ${group}`),
        ...users.map((user) => `user ${user}`),
        ...providers.map((provider) => `provider ${provider}`),
        ...lists.map(([attribute, values]) => `${attribute} ${values.join(' or ')}`),
      ].join(', '),
    };
  });
}

/**
 * A configured DN is that group alone, wherever its name is used again. A configured name is a group of that name, or a DN
 * whose first part has it: `memberOf` gives DNs where a group search gives names.
 */
function groupCondition(groups: readonly string[]): Condition {
  const entries = groups.map((written) => ({ written, dn: readDn(written) }));
  const dns = new Map(entries.flatMap(({ written, dn }) => (dn ? [[dn.canonical, written] as const] : [])));
  const names = new Map(entries.flatMap(({ written, dn }) => (dn ? [] : [[foldName(written), written] as const])));
  return (candidate) => {
    for (const { name, dn } of candidate.groups) {
      const match = (dn && dns.get(dn)) || (name && names.get(name));
      if (match) return `group ${match}`;
    }
    return undefined;
  };
}

function userReason(names: ReadonlySet<string>, { subject }: Assertion): string | undefined {
  const user = canonicalUsername(subject);
  return user !== '' && names.has(user) ? `user ${user}` : undefined;
}

function attributeReason(
  lists: readonly (readonly [string, readonly string[]])[],
  assertion: Assertion,
): string | undefined {
  for (const [attribute, wanted] of lists) {
    const value = valuesOf(assertion, attribute).find((candidate) => wanted.includes(candidate));
    if (value !== undefined) return `${attribute} ${value}`;
  }
  return undefined;
}

/** Own properties only: an attribute called `constructor` is not one that everybody has. */
function valuesOf(assertion: Assertion, attribute: string): readonly string[] {
  return Object.hasOwn(assertion.attributes, attribute) ? (assertion.attributes[attribute] ?? []) : [];
}
