/** What users may do in an application, by the roles that they have: the privileges of these, and what those need. */
import type { ApplicationOptions, RolesData } from './roles-file.ts';

/** By the application's name, sorted. */
type PrivilegesByApplication = ReadonlyMap<string, readonly string[]>;

/** The privileges of a configuration. */
export class Privileges {
  /** By the application's name: what each of its roles gives, with all that is included and needed. */
  readonly #given: ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

  constructor(applications: ApplicationOptions) {
    this.#given = new Map(Object.entries(applications).map(([name, { roles }]) => [name, givenBy(roles)]));
  }

  /** What somebody with these roles may do; an application in which they have no role is absent. */
  of(roles: ReadonlySet<string>): PrivilegesByApplication {
    const found = new Map<string, readonly string[]>();
    for (const [application, given] of this.#given) {
      const own = [...given].flatMap(([role, privileges]) => (roles.has(role) ? [...privileges] : []));
      if (own.length > 0) found.set(application, [...new Set(own)].sort());
    }
    return found;
  }
}

/** The file has been checked: nothing in it leads nowhere, or back. */
function givenBy({ privileges, roles }: RolesData): ReadonlyMap<string, ReadonlySet<string>> {
  const given = new Map<string, ReadonlySet<string>>();
  const withNeeds = (one: string, into: Set<string>): void => {
    if (into.has(one)) return;
    into.add(one);
    for (const needed of privileges[one]?.needs ?? []) withNeeds(needed, into);
  };
  const ofRole = (name: string): ReadonlySet<string> => {
    const known = given.get(name);
    if (known) return known;
    const all = new Set<string>();
    for (const one of roles[name]?.privileges ?? []) withNeeds(one, all);
    for (const other of roles[name]?.includes ?? []) for (const one of ofRole(other)) all.add(one);
    given.set(name, all);
    return all;
  };
  for (const name of Object.keys(roles)) ofRole(name);
  return given;
}
