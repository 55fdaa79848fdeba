/** Apache httpd before the upstream, and its modules that know users: each in a process of its own, with what it needs for them. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../../test/support/tools/free-port.ts';
import { listens } from '../measure/verify.ts';
import { type Contender, type Ground, ownFolder, startOn } from './contender.ts';

/** What is particular to a contender on Apache. */
export interface ApacheSite {
  readonly name: string;
  readonly title: string;
  /** Modules beside those that all have, as in `auth_openidc`. */
  readonly modules: readonly string[];
  /** Directives of the server; `folder` is its own. */
  readonly server: readonly string[];
  /** Directives of the one location. */
  readonly location: readonly string[];
  /** True where the module itself tells the upstream who asks; else X-Remote-User is set to Apache's REMOTE_USER. */
  readonly tellsUser?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  /** `127.0.0.1` when absent. */
  readonly host?: string;
  /** Its port, where somebody had to know it before. */
  readonly port?: number;
}

const modulesOfAll = [
  ...['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'headers', 'proxy', 'proxy_http', 'mime', 'reqtimeout'],
];

/** Whom Apache's child works as where root starts it. */
const account = 'www-data';
const isRoot = process.getuid?.() === 0;

/** Lets the account of Apache's child read and write what a contender has in its folder. */
function handOver(folder: string): void {
  if (!isRoot) return;
  const { status, stderr } = spawnSync('chown', ['-R', `${account}:`, folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`chown ${folder}: ${stderr}`);
}

/** An Apache that runs. */
export type RunningApache = Pick<Contender, 'name' | 'title' | 'url' | 'roots' | 'end'>;

/** Starts it: one child with 128 threads, the event MPM, no access log, connections to the upstream kept. */
export async function startApache(ground: Ground, site: ApacheSite): Promise<RunningApache> {
  const folder = ownFolder(ground, site.name);
  const port = site.port ?? (await freePort());
  const file = path.join(folder, 'httpd.conf');
  writeFileSync(file, configuration(ground, site, folder, port));
  handOver(folder);
  try {
    const env = { APACHE_RUN_DIR: folder, ...site.env };
    const words = ['-DFOREGROUND', '-f', file];
    const running = await startOn(ground.cpus.proxy, '/usr/sbin/apache2', words, { env, cwd: folder });
    const url = `http://${site.host ?? '127.0.0.1'}:${port}`;
    await listens({ url, title: site.title });
    return { name: site.name, title: site.title, url, roots: [running.pid], end: running.end };
  } catch (error) {
    const log = path.join(folder, 'error.log');
    const said = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-3).join(' ') : '';
    throw new Error(`${error instanceof Error ? error.message : String(error)} ${said}`.trim());
  }
}

function configuration(ground: Ground, site: ApacheSite, folder: string, port: number): string {
  const load = (name: string): string => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`;
  return [
    ...['ServerName 127.0.0.1', `ServerRoot ${folder}`, `PidFile ${folder}/pid`, `DefaultRuntimeDir ${folder}`],
    ...[`ErrorLog ${folder}/error.log`, 'LogLevel error', `DocumentRoot ${folder}`, 'TypesConfig /dev/null'],
    ...(isRoot ? [`User ${account}`, `Group ${account}`] : []),
    ...[...modulesOfAll, ...site.modules].map(load),
    ...['StartServers 1', 'ServerLimit 1', 'ThreadLimit 128', 'ThreadsPerChild 128', 'MaxRequestWorkers 128'],
    ...['MaxConnectionsPerChild 0', 'KeepAlive On', 'MaxKeepAliveRequests 0', 'KeepAliveTimeout 300'],
    `Listen 127.0.0.1:${port}`,
    ...site.server,
    `ProxyPass / http://127.0.0.1:${ground.upstream}/ enablereuse=on`,
    '<Location "/">',
    ...site.location,
    ...(site.tellsUser ? [] : ['RequestHeader set X-Remote-User "expr=%{REMOTE_USER}"']),
    '</Location>',
    '',
  ].join('\n');
}
