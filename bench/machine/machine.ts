/** What a result was measured on: the machine, the versions of all programs, the state of the tree. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

/** A machine as it stands in a result. */
export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  /** CPUs that share one core with the first; one means that each is a core of its own. */
  readonly siblingsOfFirst: string;
  readonly memoryGigabytes: number;
  readonly kernel: string;
  readonly system: string;
  /** When the run began. */
  readonly loadAverage: readonly number[];
}

/** Describes this machine. */
export function thisMachine(): Machine {
  const siblings = '/sys/devices/system/cpu/cpu0/topology/thread_siblings_list';
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    siblingsOfFirst: existsSync(siblings) ? readFileSync(siblings, 'utf8').trim() : 'unknown',
    memoryGigabytes: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    system: /PRETTY_NAME="([^"]*)"/.exec(read('/etc/os-release'))?.[1] ?? 'unknown',
    loadAverage: loadavg().map((value) => Number(value.toFixed(2))),
  };
}

/** Debian packages whose versions stand in a result. */
const packages = [
  ...['nginx', 'haproxy', 'apache2-bin', 'wrk', 'slapd', 'krb5-kdc', 'lemonldap-ng-handler'],
  ...['libapache2-mod-auth-openidc', 'libapache2-mod-auth-gssapi', 'libapache2-mod-auth-cas', 'libapache2-mod-perl2'],
];

/** The versions of what takes part, by name. */
export function versions(): Readonly<Record<string, string>> {
  const format = '$' + '{Package} $' + '{Version}\n';
  const { stdout } = spawnSync('dpkg-query', ['--show', `--showformat=${format}`, ...packages], { encoding: 'utf8' });
  const debian = (stdout ?? '').split('\n').map((line) => line.split(' '));
  const { dependencies, devDependencies } = JSON.parse(read(path.join(root, 'package.json'))) as Record<
    'dependencies' | 'devDependencies',
    Readonly<Record<string, string>>
  >;
  return {
    node: process.version,
    ...Object.fromEntries(debian.filter(([name, version]) => name && version)),
    'http-proxy-middleware': devDependencies['http-proxy-middleware'] ?? '',
    undici: dependencies.undici ?? '',
  };
}

/** The commit of the tree, and whether files differ from it. */
export function commit(): string {
  const git = (...words: string[]): string =>
    spawnSync('git', ['-C', root, ...words], { encoding: 'utf8' }).stdout?.trim() ?? '';
  const short = git('rev-parse', '--short', 'HEAD');
  if (short === '') return 'unknown';
  return git('status', '--porcelain', '--untracked-files=no', '--', 'src') === '' ? short : `${short}, changed`;
}

function read(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
