/** What `gatehouse check` says of header templates: text that reads like a variable and is sent to every upstream as it is. */
import type { ConfigIssue, KeyPath } from '../../config/load.ts';
import { Secret } from '../../core/secret.ts';
import type { HeaderTemplates } from '../../proxy/options.ts';
import { literalVariables } from '../../proxy/templates.ts';
import { accessOf } from '../../routing/access-options.ts';
import type { Reading } from '../../runtime/reading.ts';

const nobodys = {
  message: 'is of no use: a public route is sent nobody’s identity',
  hint: 'write access: optional, where visitors need not sign in, or take it out',
};

/** Warnings about the headers of the whole site and of each route. */
export function headerWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  const of = (headers: HeaderTemplates, path: KeyPath): ConfigIssue[] =>
    Object.entries(headers).flatMap(([name, template]) => {
      if (template === false || template instanceof Secret) return [];
      return literalVariables(typeof template === 'string' ? template : template.value).map(({ text, hint }) => ({
        ...locate([...path, name]),
        message: `${text} is no variable here, so that every user is this text`,
        hint,
      }));
    });
  return [
    ...of(document.headers, ['headers']),
    ...document.routes.flatMap(({ headers, assertion }, index) => [
      ...of(headers, ['routes', index, 'headers']),
      ...of(assertion?.claims ?? {}, ['routes', index, 'assertion', 'claims']),
    ]),
    ...document.routes.flatMap(({ access, assertion }, index) =>
      assertion && accessOf(access) === 'public' ? [{ ...locate(['routes', index, 'assertion']), ...nobodys }] : [],
    ),
  ];
}
