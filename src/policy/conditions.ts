/** Conditions on whoever signed in, as roles and tenants name them: groups, user names, values of attributes. */
import { foldName, readDn } from '../core/dn.ts';
import { type Assertion, canonicalUsername } from '../core/principal.ts';

/** An assertion, with its groups read once for all conditions. */
export interface Candidate {
  readonly assertion: Assertion;
  /** The configured name of the provider that made it. */
  readonly provider: string;
  readonly groups: readonly { readonly name: string | undefined; readonly dn: string | undefined }[];
}

/** Says in words what holds, or undefined. */
export type Condition = (candidate: Candidate) => string | undefined;

/** Reads an assertion. */
export function candidateOf(assertion: Assertion, provider: string): Candidate {
  const groups = valuesOf(assertion, 'groups').map((group) => {
    const dn = group.includes('=') ? readDn(group) : undefined;
    return { name: dn ? dn.leaf : foldName(group), dn: dn?.canonical };
  });
  return { assertion, provider, groups };
}

/** What the first of the conditions that holds says. */
export function firstReason(conditions: readonly Condition[], candidate: Candidate): string | undefined {
  for (const condition of conditions) {
    const reason = condition(candidate);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/**
 * A configured DN is that group alone, wherever its name is used again. A configured name is a group of that name, or a DN
 * whose first part has it: `memberOf` gives DNs where a group search gives names.
 */
export function groupCondition(groups: readonly string[]): Condition {
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

/** Any of these user names. */
export function userCondition(users: readonly string[]): Condition {
  const names = new Set(users.map(canonicalUsername));
  return ({ assertion }) => {
    const user = canonicalUsername(assertion.subject);
    return user !== '' && names.has(user) ? `user ${user}` : undefined;
  };
}

/** Any of these values of an attribute, compared exactly. */
export function attributeCondition(attributes: Readonly<Record<string, readonly string[]>>): Condition {
  const lists = Object.entries(attributes);
  return ({ assertion }) => {
    for (const [attribute, wanted] of lists) {
      const value = valuesOf(assertion, attribute).find((candidate) => wanted.includes(candidate));
      if (value !== undefined) return `${attribute} ${value}`;
    }
    return undefined;
  };
}

/** The values of an attribute. Own properties only: one called `constructor` is not one that everybody has. */
export function valuesOf(assertion: Assertion, attribute: string): readonly string[] {
  return Object.hasOwn(assertion.attributes, attribute) ? (assertion.attributes[attribute] ?? []) : [];
}
