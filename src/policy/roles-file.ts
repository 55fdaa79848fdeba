/**
 * The roles of an application in a file of its own: what each may do there. Read with the configuration, by the same reader, so
 * that a mistake has its line. What a user gets of it is `privileges.ts`'s.
 */
import * as z from 'zod';
import {
  type ConfigIssue,
  formatIssue,
  type IssuePosition,
  type KeyPath,
  type LoadResult,
  loadConfig,
} from '../config/load.ts';
import { nearest } from '../config/nearest.ts';
import { filePath } from '../config/values.ts';
import { type RoleOptions, roleConditions } from './roles.ts';

/** What stands at the top of such a file. */
export const rolesFormat = 'gatehouse-roles/1';

const name = () => z.string().regex(/^[^\s\p{C}](?:[^\p{C}]{0,126}[^\s\p{C}])?$/u, 'must be a name of up to 128 signs');
const names = () => z.array(name()).default([]);

const rolesShape = z.strictObject({
  format: z.literal(rolesFormat).describe('what kind of file it is'),
  application: name().optional().describe('whose roles they are'),
  version: z.union([z.string(), z.number()]).optional().describe('of the application'),
  privileges: z
    .record(
      name(),
      z.strictObject({
        label: z.string().optional(),
        needs: names().describe('privileges that come with it'),
      }),
    )
    .default({}),
  roles: z.record(
    name(),
    z.strictObject({
      label: z.string().optional(),
      privileges: names(),
      includes: names().describe('roles of this file whose privileges it has, too'),
      from: roleConditions.optional().describe('who has it, as in roles: of the configuration'),
    }),
  ),
});

/** The roles of one application. */
export type RolesData = z.output<typeof rolesShape>;

const rolesFileSchema = rolesShape.superRefine((file, context) => {
  checkNames(file, context);
  checkCircles(file.privileges, 'privileges', 'needs', context);
  checkCircles(file.roles, 'roles', 'includes', context);
});

/** A file that was read. */
type RolesFile = RolesData & {
  readonly place: (path: KeyPath) => IssuePosition;
};

/** Where a key of it stands, as file, line and column. */
export function placeInFile({ place }: RolesFile, path: KeyPath): string {
  const { file, line, column, key } = place(path);
  return `${file}:${line}:${column}  ${key}`;
}

/** Reads a file, or text as if it stood in one. */
export function readRolesFile(file: string, text?: string): LoadResult<RolesData> {
  return loadConfig<RolesData>({ schema: rolesFileSchema, file, env: {}, ...(text !== undefined && { text }) });
}

const application = z.strictObject({
  roles: filePath()
    .transform((path, context): RolesFile => {
      const read = readRolesFile(path);
      if (read.kind === 'ok') return { ...read.value, place: read.locate };
      for (const issue of read.issues) context.addIssue({ code: 'custom', message: `is broken: ${plain(issue)}` });
      return z.NEVER;
    })
    .describe('a file of roles and privileges; gatehouse import roles makes one'),
});

/** The schema of `applications:`. */
export const applicationOptions = z.record(
  z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,63}$/, 'must be a short name of letters, digits, dots, hyphens'),
  application,
);

/** The applications as configured. */
export type ApplicationOptions = z.output<typeof applicationOptions>;

/** Without the line that shows the place: it stands within another message. */
function plain(issue: ConfigIssue): string {
  const { excerpt: _, ...rest } = issue;
  return formatIssue(rest).trim();
}

type Context = z.core.$RefinementCtx;

function checkNames({ privileges, roles }: RolesData, context: Context): void {
  const requireAll = (known: object, what: string, wanted: readonly string[], path: (string | number)[]): void => {
    for (const [index, one] of wanted.entries()) {
      if (Object.hasOwn(known, one)) continue;
      const meant = nearest(one, Object.keys(known));
      const hint = meant === undefined ? `the file has no ${what} of that name` : `did you mean "${meant}"?`;
      const message = `names no ${what} of the file: ${JSON.stringify(one)}`;
      context.addIssue({ code: 'custom', path: [...path, index], message, params: { hint } });
    }
  };
  for (const [key, { needs }] of Object.entries(privileges))
    requireAll(privileges, 'privilege', needs, ['privileges', key, 'needs']);
  for (const [key, role] of Object.entries(roles)) {
    requireAll(privileges, 'privilege', role.privileges, ['roles', key, 'privileges']);
    requireAll(roles, 'role', role.includes, ['roles', key, 'includes']);
  }
}

/** Reports each circle once, where it is closed. */
function checkCircles<Key extends 'needs' | 'includes'>(
  all: Readonly<Record<string, Readonly<Record<Key, readonly string[]>>>>,
  section: string,
  key: Key,
  context: Context,
): void {
  const done = new Set<string>();
  const way: string[] = [];
  const walk = (one: string): void => {
    if (done.has(one) || !Object.hasOwn(all, one)) return;
    way.push(one);
    for (const [index, next] of (all[one]?.[key] ?? []).entries()) {
      if (!way.includes(next)) {
        walk(next);
        continue;
      }
      const circle = [...way.slice(way.indexOf(next)), next].join(' → ');
      const message = `leads back to where it begins: ${circle}`;
      const params = { hint: `take one of these out of ${key}` };
      context.addIssue({ code: 'custom', path: [section, one, key, index], message, params });
    }
    way.pop();
    done.add(one);
  };
  for (const one of Object.keys(all)) walk(one);
}

/** All roles of a configuration and who has them: those of `roles:`, and those that the files of applications give. */
export function roleEntries({
  roles,
  applications,
}: {
  readonly roles: RoleOptions;
  readonly applications: ApplicationOptions;
}): ReturnType<typeof Object.entries<RoleOptions[string]>> {
  const ofFiles = Object.values(applications).flatMap(({ roles: file }) =>
    Object.entries(file.roles).flatMap(([name, { from }]) => (from ? [[name, from] as [string, typeof from]] : [])),
  );
  return [...Object.entries(roles), ...ofFiles];
}

/** The names of all roles that there are. */
export function roleNames(document: { readonly roles: object; readonly applications: ApplicationOptions }): string[] {
  const ofFiles = Object.values(document.applications).flatMap(({ roles }) => Object.keys(roles.roles));
  return [...new Set([...Object.keys(document.roles), ...ofFiles])];
}
