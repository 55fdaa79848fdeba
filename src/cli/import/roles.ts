/** `gatehouse import roles`: roles and privileges of an application, from files of several kinds, printed as one of ours. */
import { Document, isScalar, visit } from 'yaml';
import { formatIssue } from '../../config/load.ts';
import type { RolesDraft } from '../../interop/genesys/draft.ts';
import { isRolesCsv, readRolesCsv } from '../../interop/genesys/roles-csv.ts';
import { isXml, readRolesXml } from '../../interop/genesys/roles-xml.ts';
import { type RolesData, readRolesFile, rolesFormat } from '../../policy/roles-file.ts';
import { exitCodes, type Invocation, textOption } from '../command.ts';
import { textOf } from '../xivo-files.ts';
import type { Importer } from './importer.ts';

/** The importer. */
export const importRoles: Importer = {
  usage: 'roles FILE... [--application NAME]',
  help: [
    'roles prints a file of roles and privileges for applications: of the configuration, and on the standard error what was not',
    'understood, each with its line. It reads such files as YAML or JSON, tables (CSV) of role and privilege, and solution package',
    'definitions (XML, solutionDefinition) of Genesys. Several files become one. It exits with 2 where no role was found.',
    '  --application NAME  whose roles they are, as under applications:',
  ].join('\n'),
  options: { application: { type: 'string' } },
  run: runImportRoles,
};

type Role = { privileges: string[]; includes?: string[]; label?: string; from?: unknown };
type Privilege = { label?: string; needs?: string[] };

interface Merged {
  readonly privileges: Map<string, Privilege>;
  readonly roles: Map<string, Role>;
  readonly notUnderstood: string[];
  application: string | undefined;
  version: string | undefined;
}

async function runImportRoles(invocation: Invocation): Promise<number> {
  const { terminal, positionals } = invocation;
  if (positionals.length === 0) {
    terminal.stderr.write(`usage: gatehouse import ${importRoles.usage}\n`);
    return exitCodes.usage;
  }
  const merged: Merged = {
    ...{ privileges: new Map(), roles: new Map(), notUnderstood: [] },
    ...{ application: undefined, version: undefined },
  };
  for (const file of positionals) addFile(merged, file);
  merged.application = textOption(invocation, 'application') ?? merged.application;
  if (merged.notUnderstood.length > 0)
    terminal.stderr.write(`not understood:\n${merged.notUnderstood.map((line) => `  ${line}\n`).join('')}`);
  if (merged.roles.size === 0) {
    terminal.stderr.write('no role was found\n');
    return exitCodes.usage;
  }
  const text = yamlOf(merged);
  const read = readRolesFile('the roles that were found', text);
  if (read.kind === 'invalid') {
    terminal.stderr.write(`${read.issues.map((issue) => formatIssue(issue)).join('\n')}\n`);
    return exitCodes.failed;
  }
  terminal.stdout.write(text);
  return exitCodes.good;
}

function addFile(merged: Merged, file: string): void {
  const text = textOf(file);
  if (isXml(text)) addDraft(merged, file, readRolesXml(text));
  else if (isRolesCsv(text)) addDraft(merged, file, readRolesCsv(text));
  else {
    const read = readRolesFile(file);
    if (read.kind === 'ok') addOwn(merged, file, read.value);
    else merged.notUnderstood.push(...read.issues.map((issue) => formatIssue(issue).split('\n')[0] ?? ''));
  }
}

function addDraft(merged: Merged, file: string, { privileges, roles, notUnderstood, version }: RolesDraft): void {
  for (const [name, label] of privileges) {
    const known = merged.privileges.get(name) ?? {};
    merged.privileges.set(name, { ...known, ...(label !== undefined && { label }) });
  }
  for (const [name, own] of roles) {
    const known = merged.roles.get(name) ?? { privileges: [] };
    merged.roles.set(name, { ...known, privileges: [...new Set([...known.privileges, ...own])] });
  }
  merged.version ??= version;
  merged.notUnderstood.push(...notUnderstood.map(({ line, what, why }) => `${file}:${line}  ${what}: ${why}`));
}

function addOwn(merged: Merged, file: string, { application, version, privileges, roles }: RolesData): void {
  for (const [name, { label, needs }] of Object.entries(privileges)) {
    const known = merged.privileges.get(name) ?? {};
    const all = [...new Set([...(known.needs ?? []), ...needs])];
    merged.privileges.set(name, {
      ...known,
      ...(label !== undefined && { label }),
      ...(all.length > 0 && { needs: all }),
    });
  }
  for (const [name, role] of Object.entries(roles)) {
    const known = merged.roles.get(name) ?? { privileges: [] };
    if (known.from && role.from)
      merged.notUnderstood.push(`${file}  roles.${name}.from: another file has said who has it`);
    const from = known.from ?? role.from;
    const includes = [...new Set([...(known.includes ?? []), ...role.includes])];
    merged.roles.set(name, {
      ...(role.label !== undefined && { label: role.label }),
      privileges: [...new Set([...known.privileges, ...role.privileges])],
      ...(includes.length > 0 && { includes }),
      ...(from !== undefined && { from: withoutEmpty(from) }),
    });
  }
  merged.application ??= application;
  merged.version ??= version === undefined ? undefined : String(version);
}

/** What the schema has filled in is not written out again. */
function withoutEmpty(from: unknown): unknown {
  const entries = Object.entries(from as Record<string, unknown>);
  return Object.fromEntries(entries.filter(([, value]) => JSON.stringify(value).length > 2));
}

function yamlOf({ application, version, privileges, roles }: Merged): string {
  const document = new Document({
    format: rolesFormat,
    ...(application !== undefined && { application }),
    ...(version !== undefined && { version }),
    privileges: Object.fromEntries([...privileges].sort(byName)),
    roles: Object.fromEntries(roles),
  });
  visit(document, {
    Map: (_, node, path) => {
      node.flow = path.length >= 5 || node.items.length === 0;
    },
    Seq: (_, node) => {
      node.flow = node.items.every((item) => isScalar(item));
    },
  });
  return document.toString({ lineWidth: 120, flowCollectionPadding: true });
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}
