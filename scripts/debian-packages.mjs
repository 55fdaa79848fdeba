/** The Debian packages that the whole test run needs: which are missing, and how they are installed. */
import { spawnSync } from 'node:child_process';

/** Debian packages of the whole test run: servers that the stories talk to, a browser, and what builds the Kerberos addon. */
export const testPackages = [
  ...['slapd', 'ldap-utils', 'krb5-kdc', 'krb5-admin-server', 'krb5-user', 'python3-django-cas-server', 'gunicorn'],
  ...[
    'nginx-light',
    'libnginx-mod-stream',
    'haproxy',
    'caddy',
    'curl',
    'redis-server',
    'tinyproxy-bin',
    'chromium',
    'libkrb5-dev',
    'python3',
    'make',
    'g++',
    'openssl',
  ],
  ...['python3-jwt', 'python3-cryptography', 'freeradius', 'python3-aiosmtpd', 'stunnel4'],
];

/** Debian packages of `npm run bench`: who asks, who is compared, and the servers that users sign in at. */
export const benchPackages = [
  ...['wrk', 'nginx-light', 'haproxy', 'apache2-bin', 'libapache2-mod-auth-openidc', 'libapache2-mod-auth-gssapi'],
  ...['libapache2-mod-auth-cas', 'libapache2-mod-perl2', 'lemonldap-ng-handler', 'slapd', 'ldap-utils', 'krb5-kdc'],
  ...['krb5-admin-server', 'krb5-user', 'python3-django-cas-server', 'gunicorn', 'openssl', 'redis-server', 'curl'],
];

/** What stops the setup; its message says what to do. */
export class SetupError extends Error {}

/**
 * The Debian packages of a list that are not installed.
 * @param {readonly string[]} packages
 * @param {NodeJS.ProcessEnv} env
 */
export function missingPackages(packages, env) {
  const format = '$' + '{Package} $' + '{db:Status-Status}\n';
  const query = spawnSync('dpkg-query', ['--show', `--showformat=${format}`, ...packages], { env, encoding: 'utf8' });
  const installed = new Set((query.stdout ?? '').split('\n').map((line) => line.trim()));
  return packages.filter((name) => !installed.has(`${name} installed`));
}

/**
 * Installs as root. Services stay down: a `policy-rc.d` of the machine's own is left alone, and without one ours denies
 * their start for the time of the installation. Debian's packages enable their services all the same, for the next start of
 * the machine: each service, and each target of services, that this installation has enabled is disabled and masked, one that was enabled before is not
 * touched. `etc` is `/etc`.
 */
const installScript = `
set -e
policy=$1; etc=$2; shift 2
enabled() {
  { find "$etc/systemd/system" -path '*.wants/*.service' -o -path '*.wants/*.target' | sed 's|.*/||; s|\\.service$||'
    find "$etc"/rc[2-5].d -name 'S*' | sed 's|.*/S[0-9]*||'; } 2>/dev/null | sort -u
}
enabled_before=$(enabled)
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 RUNLEVEL=1
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"
for service in $(enabled); do
  if printf '%s\\n' "$enabled_before" | grep -qxF "$service"; then continue; fi
  case "$service" in *.target) unit=$service ;; *) unit=$service.service ;; esac
  find "$etc/systemd/system" -path "*.wants/$unit" -exec rm -f {} +
  for link in "$etc"/rc[2-5].d/S[0-9][0-9]"$service"; do
    [ ! -L "$link" ] || mv "$link" "$(dirname "$link")/K01$service"
  done
  if [ -d "$etc/systemd/system" ] && [ ! -e "$etc/systemd/system/$unit" ]; then
    ln -s /dev/null "$etc/systemd/system/$unit"
  fi
done
`;

/** Who needs the packages, in the words of a message. */
const theTests = { needs: 'The tests need', without: ' npm run check needs none of them.' };

/**
 * Installs the Debian packages that are missing, as root or through sudo; without either it says which to install, and stops.
 * @param {{ packages: readonly string[], env: NodeJS.ProcessEnv, uid: number, policy?: string, etc?: string, say: (line: string) => void, user?: { needs: string, without: string } }} options
 */
export function installPackages({
  packages,
  env,
  uid,
  policy = '/usr/sbin/policy-rc.d',
  etc = '/etc',
  say,
  user = theTests,
}) {
  const missing = missingPackages(packages, env);
  if (missing.length === 0) return;
  const list = missing.join(' ');
  if (spawnSync('apt-get', ['--version'], { env }).status !== 0)
    throw new SetupError(
      `${user.needs} these programs, under their Debian names: ${list}\nThis system has no apt-get: install them in its own way, or do this on Debian.${user.without}`,
    );
  const prefix = uid === 0 ? [] : ['sudo', '-n'];
  if (uid !== 0 && spawnSync('sudo', ['-n', 'true'], { env }).status !== 0)
    throw new SetupError(
      `${user.needs} Debian packages that are missing: ${list}\nInstall them as root, then try again:\n  apt-get update && apt-get install -y --no-install-recommends ${list}`,
    );
  say(`installing Debian packages as root, their services disabled and masked: ${list} (a few minutes the first time)`);
  const [program = 'sh', ...parameters] = [...prefix, 'sh', '-c', installScript, 'install', policy, etc, ...missing];
  const { status, stdout, stderr } = spawnSync(program, parameters, { env, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status === 0) return;
  const tail = `${stdout}\n${stderr}`.trim().split('\n').slice(-20).join('\n');
  throw new SetupError(
    `${tail}\napt-get could not install: ${list}\nIts last lines are above. Is the package mirror reachable?`,
  );
}
