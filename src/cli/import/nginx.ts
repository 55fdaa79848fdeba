/** `gatehouse import nginx`: configurations of nginx, printed as `gatehouse.yaml`. */
import { stringify } from 'yaml';
import { loadConfig } from '../../config/load.ts';
import { OperatorError } from '../../core/errors.ts';
import { documentSchema } from '../../gateway/document.ts';
import { type Finding, type FindingKind, oneLine } from '../../interop/nginx/findings.ts';
import { importNginx } from '../../interop/nginx/import.ts';
import { parseNginx } from '../../interop/nginx/parse.ts';
import type { RouteData } from '../../interop/nginx/route.ts';
import { nginxYaml } from '../../interop/nginx/yaml.ts';
import { type Invocation, textOption } from '../command.ts';
import { textOf } from '../xivo-files.ts';
import type { Importer } from './importer.ts';
import { NginxFiles } from './nginx-files.ts';

/** The importer. */
export const importNginxFiles: Importer = {
  usage: 'nginx FILE… [--prefix DIR] [--host NAME] [--public]',
  help: [
    'nginx prints the YAML on the standard output, and on the standard error what became of the rest, with place and reason.',
    '  FILE            nginx.conf, or files of single servers; what they include is read too',
    '  --prefix DIR    where relative includes begin, and what stands for /etc/nginx; without it, the folder of FILE',
    '  --host NAME     the name that browsers use for a server that has none',
    '  --public        leaves locations open in servers that ask nobody for a login; without it, every route needs one',
  ].join('\n'),
  options: { prefix: { type: 'string' }, host: { type: 'string' }, public: { type: 'boolean' } },
  run: runImportNginx,
};

const titles: readonly (readonly [FindingKind, string])[] = [
  ['closed', 'closed until you decide'],
  ['refused', 'not translated'],
  ['note', 'to know'],
  ['ignored', 'ignored on purpose'],
];

async function runImportNginx(invocation: Invocation): Promise<number> {
  const { terminal, positionals, values } = invocation;
  const [first] = positionals;
  if (first === undefined) {
    terminal.stderr.write(`usage: gatehouse import ${importNginxFiles.usage}\n`);
    return 2;
  }
  const prefix = textOption(invocation, 'prefix');
  const sources = positionals.map((file) =>
    parseNginx({ file, text: textOf(file) }, new NginxFiles(file, prefix).include),
  );
  const imported = importNginx(sources, {
    host: hostOf(textOption(invocation, 'host')),
    keepsPublic: values.public === true,
    readable: new NginxFiles(first, prefix).readable,
    faultOf,
  });
  const report = titles.flatMap(([kind, title]) =>
    section(
      title,
      imported.findings.filter((one) => one.kind === kind),
    ),
  );
  if (report.length > 0) terminal.stderr.write(`${report.join('\n')}\n`);
  if (imported.routes.length === 0)
    throw new OperatorError(
      `no route can be made of ${positionals.join(', ')}`,
      'name nginx.conf, or the file of a server with locations that have a proxy_pass',
    );
  terminal.stdout.write(nginxYaml(imported));
  return 0;
}

function hostOf(host: string | undefined): string | undefined {
  if (host === undefined || URL.canParse(`http://${host}`)) return host;
  throw new OperatorError(`--host: ${host} is no host name`, 'write one such as cc.example.com');
}

/** What the configuration itself says of a route. */
function faultOf(route: RouteData): string | undefined {
  const text = stringify({
    login: { chain: ['local'] },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    routes: [route],
  });
  const result = loadConfig({ schema: documentSchema, file: 'gatehouse.yaml', text, env: {} });
  return result.kind === 'ok' ? undefined : result.issues.map(({ message }) => message).join('; ');
}

function section(title: string, findings: readonly Finding[]): string[] {
  const lines = findings.map(
    ({ place: { file, line, column }, what, why }) => `  ${oneLine(`${file}:${line}:${column}  ${what}: ${why}`)}`,
  );
  return lines.length > 0 ? [`${title}:`, ...lines] : [];
}
