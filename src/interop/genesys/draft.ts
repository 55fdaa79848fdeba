/** Roles and their privileges as another system names them, and what of its file was not understood. */

/** What was not understood, and where it stands. */
interface NotUnderstood {
  readonly line: number;
  readonly what: string;
  readonly why: string;
}

/** What a file says of roles. */
export interface RolesDraft {
  /** Labels by privilege; undefined where it has none. */
  readonly privileges: Map<string, string | undefined>;
  /** Privileges by role. */
  readonly roles: Map<string, Set<string>>;
  readonly notUnderstood: NotUnderstood[];
  version?: string;
}

/** A draft without anything in it. */
export function emptyDraft(): RolesDraft {
  return { privileges: new Map(), roles: new Map(), notUnderstood: [] };
}

/** Notes that a role has a privilege. */
export function addPrivilege({ privileges, roles }: RolesDraft, role: string, privilege: string, label?: string): void {
  if (label !== undefined || !privileges.has(privilege)) privileges.set(privilege, label);
  const own = roles.get(role) ?? new Set();
  roles.set(role, own.add(privilege));
}
