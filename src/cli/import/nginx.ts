/** `gatehouse import nginx`: configurations of nginx, printed as `gatehouse.yaml`. */
import { stringify } from 'yaml';
import { loadConfig } from '../../config/load.ts';
import { OperatorError } from '../../core/errors.ts';
import { documentSchema } from '../../gateway/document.ts';
import { includeOf, readDump } from '../../interop/nginx/dump.ts';
import { type Finding, type FindingKind, oneLine } from '../../interop/nginx/findings.ts';
import { importNginx } from '../../interop/nginx/import.ts';
import { type NginxSource, parseNginx } from '../../interop/nginx/parse.ts';
import type { RouteData } from '../../interop/nginx/route-data.ts';
import { nginxYaml } from '../../interop/nginx/yaml.ts';
import { type Invocation, textOption } from '../command.ts';
import { textOf } from '../xivo-files.ts';
import type { Importer } from './importer.ts';
import { NginxFiles, type Root } from './nginx-files.ts';

/** The importer. */
export const importNginxFiles: Importer = {
  usage: 'nginx FILE… [--prefix [FROM=]DIR] [--host NAME] [--domain NAME] [--public]',
  help: [
    'nginx prints the YAML on the standard output, and on the standard error what became of the rest, with place and reason.',
    '  FILE            nginx.conf, files of single servers, with what they include, or what nginx -T prints',
    '  --prefix DIR    where relative includes begin, and what stands for /etc/nginx; without it, the folder of FILE',
    '  --prefix FROM=DIR   what stands for another folder than /etc/nginx; may be given several times',
    '  --host NAME     the name that browsers use for a server that has none',
    '  --domain NAME   what stands for the star of names such as grafana.*; may be given several times',
    '  --public        leaves locations open in servers that ask nobody for a login; without it, every route needs one',
  ].join('\n'),
  options: {
    prefix: { type: 'string', multiple: true },
    host: { type: 'string' },
    domain: { type: 'string', multiple: true },
    public: { type: 'boolean' },
  },
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
  const roots = [values.prefix ?? []].flat().map((written) => rootOf(String(written)));
  const sources = positionals.map((file) => sourceOf(file, roots));
  const imported = importNginx(sources, {
    readable: new NginxFiles(first, roots).readable,
    faultOf,
    host: hostOf(textOption(invocation, 'host')),
    domains: [values.domain ?? []].flat().map((domain) => domainOf(String(domain))),
    keepsPublic: values.public === true,
  });
  const report = titles.flatMap(([kind, title]) => section(title, kind, imported.findings));
  if (report.length > 0) terminal.stderr.write(`${report.join('\n')}\n`);
  if (imported.routes.length === 0)
    throw new OperatorError(
      `no route can be made of ${positionals.join(', ')}`,
      'name nginx.conf, or the file of a server with locations that have a proxy_pass',
    );
  terminal.stdout.write(nginxYaml(imported));
  return 0;
}

/** A file, or all of those that `nginx -T` has printed into one. */
function sourceOf(file: string, roots: readonly Root[]): NginxSource {
  const text = textOf(file, { escapesBytes: true });
  const [main, ...included] = readDump(text);
  if (main) return parseNginx(main, includeOf([main, ...included]));
  return parseNginx({ file, text }, new NginxFiles(file, roots).include);
}

/** `DIR` stands for `/etc/nginx`, `FROM=DIR` for another folder. */
function rootOf(written: string): Root {
  const [, from, folder] = /^(\/[^=]*)=(.+)$/s.exec(written) ?? [];
  return from === undefined || folder === undefined ? { folder: written } : { from: from.replace(/\/+$/, ''), folder };
}

function hostOf(host: string | undefined): string | undefined {
  if (host === undefined || URL.canParse(`http://${host}`)) return host;
  throw new OperatorError(`--host: ${host} is no host name`, 'write one such as cc.example.com');
}

function domainOf(domain: string): string {
  if (/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i.test(domain)) return domain;
  throw new OperatorError(`--domain: ${domain} is no domain`, 'write one such as example.com');
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

/** What is left out on purpose is grouped by its reason, and what is said alike of several places stands once. */
function section(title: string, kind: FindingKind, findings: readonly Finding[]): string[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings.filter((one) => one.kind === kind)) {
    const key = kind === 'ignored' ? finding.why : JSON.stringify([finding.what, finding.why]);
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  const lines = [...groups.values()].map((group) => {
    const [
      {
        place: { file, line, column },
        why,
      } = noFinding,
    ] = group;
    const what = [...new Set(group.map((one) => one.what))].join(', ');
    const more = group.length > 1 ? ` (${group.length} places)` : '';
    return `  ${oneLine(`${file}:${line}:${column}  ${what}: ${why}${more}`)}`;
  });
  return lines.length > 0 ? [`${title}:`, ...lines] : [];
}

const noFinding: Finding = { kind: 'note', place: { file: '', line: 0, column: 0 }, what: '', why: '' };
