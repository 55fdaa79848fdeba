/** What can only be checked about applications with the rest of a configuration beside them: names on routes and in their files. */
import type { RefinementCtx } from 'zod';
import { type ApplicationOptions, placeInFile } from '../policy/roles-file.ts';
import { unknownName } from './unknown-name.ts';

/** The options that have to agree with one another. */
interface ApplicationDocument {
  readonly applications: ApplicationOptions;
  readonly providers: object;
  readonly tenants: object;
  readonly routes: readonly {
    readonly application?: string | undefined;
    readonly access: string | { readonly privileges: readonly string[] };
  }[];
}

type Path = (string | number)[];
type Report = (path: Path, message: string, hint?: string) => void;

/** Reports every contradiction, each at the key that is wrong, or at the key of the file in which it stands. */
export function checkApplications(document: ApplicationDocument, context: RefinementCtx<ApplicationDocument>): void {
  const report: Report = (path, message, hint) =>
    context.addIssue({ code: 'custom', path, message, input: document, params: { hint } });
  checkRoutes(document, report);
  for (const [name, { roles: file }] of Object.entries(document.applications)) checkFile(document, name, file, report);
}

function checkRoutes({ applications, routes }: ApplicationDocument, report: Report): void {
  const names = Object.keys(applications);
  for (const [index, { application, access }] of routes.entries()) {
    const path = ['routes', index];
    const isKnown = application !== undefined && Object.hasOwn(applications, application);
    if (application !== undefined && !isKnown)
      report([...path, 'application'], ...unknownName(names, application, 'application'));
    const wanted = typeof access === 'string' ? [] : access.privileges;
    if (wanted.length > 0 && application === undefined)
      report(
        [...path, 'access', 'privileges'],
        'asks for privileges, and the route says of no application whose',
        names.length > 0 ? `write application: ${names[0]} beside access` : 'write applications: and application: too',
      );
    const there = isKnown ? Object.keys(applications[application]?.roles.privileges ?? {}) : undefined;
    for (const [at, privilege] of wanted.entries())
      if (there && !there.includes(privilege))
        report([...path, 'access', 'privileges', at], ...unknownName(there, privilege, `privilege of ${application}`));
  }
}

function checkFile(
  { providers, tenants }: ApplicationDocument,
  name: string,
  file: ApplicationOptions[string]['roles'],
  report: Report,
): void {
  const fault = (path: Path, message: string, hint: string): void =>
    report(['applications', name, 'roles'], `is broken: ${placeInFile(file, path)}: ${message}`, hint);
  if (file.application !== undefined && file.application !== name)
    fault(
      ['application'],
      `is of ${file.application}`,
      `call it ${file.application} under applications:, or write the name there`,
    );
  for (const [role, { from }] of Object.entries(file.roles)) {
    const check = (known: object, what: string, wanted: readonly string[], key: string): void => {
      for (const [at, one] of wanted.entries())
        if (!Object.hasOwn(known, one))
          fault(['roles', role, 'from', key, at], ...unknownName(Object.keys(known), one, what));
    };
    check(providers, 'provider', from?.providers ?? [], 'providers');
    check(providers, 'provider', from?.only ?? [], 'only');
    check(tenants, 'tenant', from?.tenants ?? [], 'tenants');
  }
}
