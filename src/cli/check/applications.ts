/** What `gatehouse check` says of roles that the file of an application gives beside the configuration. */
import type { ConfigIssue } from '../../config/load.ts';
import type { Reading } from '../../runtime/reading.ts';

/** A role of one name is one role: who writes the file says who has it everywhere. */
export function applicationWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  return Object.entries(document.applications).flatMap(([name, { roles: file }]) => {
    const shared = Object.entries(file.roles).flatMap(([role, { from }]) =>
      from && Object.hasOwn(document.roles, role) ? [role] : [],
    );
    if (shared.length === 0) return [];
    return [
      {
        ...locate(['applications', name, 'roles']),
        message: `says with from: who has ${shared.join(', ')}, which roles: gives too: whoever has it by either has it everywhere`,
        hint: 'take from: out of the file for roles that the configuration gives, or call them otherwise there',
      },
    ];
  });
}
