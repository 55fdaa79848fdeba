/** The setup script's decisions: what is missing, how it is installed, and when it stops and says so. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { installPackages, missingPackages, SetupError } from '../../scripts/debian-packages.mjs';
import { isNewEnough, misfits, moduleDifference, npmEnvironment, setUp } from '../../scripts/setup.mjs';

const packages = ['slapd', 'chromium', 'g++'];

function folder(t: TestContext): string {
  const made = mkdtempSync(path.join(os.tmpdir(), 'setup-'));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

/** A PATH of its own, where each program writes down how it was called and then does what the case says. */
function programs(t: TestContext, bodies: Readonly<Record<string, string>>) {
  const bin = folder(t);
  const journal = path.join(bin, 'journal');
  writeFileSync(journal, '');
  for (const [name, body] of Object.entries(bodies))
    writeFileSync(path.join(bin, name), `#!/bin/sh\necho "${name} $*" >> "${journal}"\n${body}\n`, { mode: 0o755 });
  const policy = path.join(bin, 'policy-rc.d');
  const etc = path.join(bin, 'etc');
  mkdirSync(etc);
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const install = (uid: number) =>
    installPackages({ packages, env: { PATH: `${bin}:/bin:/usr/bin` }, uid, policy, etc, say });
  return { bin, etc, policy, lines, install, journal: () => readFileSync(journal, 'utf8') };
}

const onlySlapd = `printf 'slapd installed\\nchromium not-installed\\n'; exit 1`;
const everything = `printf 'slapd installed\\nchromium installed\\ng++ installed\\n'`;
const asRoot = 'shift; exec "$@"';

test('setup: a package that dpkg knows but that is removed or half installed counts as missing', (t) => {
  const { bin } = programs(t, {
    'dpkg-query': `printf 'slapd config-files\\nchromium installed\\ng++ half-configured\\n'`,
  });
  assert.deepEqual(missingPackages(packages, { PATH: bin }), ['slapd', 'g++']);
});

test('setup: where all packages are there, neither apt-get nor sudo is asked', (t) => {
  const { install, journal, lines } = programs(t, { 'dpkg-query': everything, 'apt-get': '', sudo: asRoot });
  install(1000);
  install(0);
  assert.doesNotMatch(journal(), /^(?:apt-get|sudo)/m);
  assert.deepEqual(lines, []);
});

test('setup: as root only the missing packages are installed, and no service may start meanwhile', (t) => {
  const aptGet =
    'case "$*" in *install*) "$(dirname "$0")/policy-rc.d"; echo "policy $?" >> "$(dirname "$0")/journal";; esac';
  const { install, journal, lines, policy } = programs(t, {
    'dpkg-query': onlySlapd,
    'apt-get': aptGet,
    sudo: 'exit 1',
  });
  install(0);
  assert.match(journal(), /^apt-get .*update$/m);
  assert.match(journal(), /^apt-get .*install -y --no-install-recommends .*chromium g\+\+$/m);
  assert.match(journal(), /^policy 101$/m);
  assert.doesNotMatch(journal(), /sudo|install .*slapd/);
  assert.equal(existsSync(policy), false);
  assert.equal(lines.length, 1);
});

test('setup: a service or target that a package has enabled is disabled and masked, one that was enabled before stays', (t) => {
  const enable = [
    'case "$*" in *install*)',
    'etc="$(dirname "$0")/etc"',
    'for one in caddy redis-server; do ln -s "/lib/systemd/system/$one.service" "$etc/systemd/system/multi-user.target.wants/"; done',
    'ln -s /lib/systemd/system/stunnel.target "$etc/systemd/system/multi-user.target.wants/"',
    'ln -s ../init.d/redis-server "$etc/rc2.d/S01redis-server";; esac',
  ].join('\n');
  const { install, etc } = programs(t, { 'dpkg-query': onlySlapd, 'apt-get': enable });
  const wants = path.join(etc, 'systemd/system/multi-user.target.wants');
  mkdirSync(wants, { recursive: true });
  mkdirSync(path.join(etc, 'rc2.d'));
  symlinkSync('/lib/systemd/system/ssh.service', path.join(wants, 'ssh.service'));
  symlinkSync('../init.d/slapd', path.join(etc, 'rc2.d/S01slapd'));
  install(0);
  assert.deepEqual(readdirSync(wants), ['ssh.service']);
  assert.deepEqual(readdirSync(path.join(etc, 'rc2.d')).sort(), ['K01redis-server', 'S01slapd']);
  for (const unit of ['caddy.service', 'redis-server.service', 'stunnel.target'])
    assert.equal(readlinkSync(path.join(etc, `systemd/system/${unit}`)), '/dev/null');
  assert.equal(existsSync(path.join(etc, 'systemd/system/ssh.service')), false);
});

test('setup: a policy for services that the machine has is used as it is and stays', (t) => {
  const { install, policy } = programs(t, { 'dpkg-query': onlySlapd, 'apt-get': '' });
  writeFileSync(policy, 'own');
  install(0);
  assert.equal(readFileSync(policy, 'utf8'), 'own');
});

test('setup: another user installs through sudo where it asks no password', (t) => {
  const { install, journal } = programs(t, { 'dpkg-query': onlySlapd, 'apt-get': '', sudo: asRoot });
  install(1000);
  assert.match(journal(), /^sudo -n true$/m);
  assert.match(journal(), /^sudo -n sh -c/m);
  assert.match(journal(), /^apt-get .*install .*chromium g\+\+$/m);
});

test('setup: without root and sudo it names the packages and the command, and installs nothing', (t) => {
  const { install, journal } = programs(t, { 'dpkg-query': onlySlapd, 'apt-get': '', sudo: 'exit 1' });
  assert.throws(
    () => install(1000),
    (error) =>
      error instanceof SetupError && /apt-get install -y --no-install-recommends chromium g\+\+$/.test(error.message),
  );
  assert.doesNotMatch(journal(), /install/);
});

test('setup: a system without apt-get is told which programs it needs', (t) => {
  const { bin } = programs(t, {});
  const attempt = () =>
    installPackages({ packages, env: { PATH: bin }, uid: 0, say: () => assert.fail('installs nothing') });
  assert.throws(attempt, (error) => error instanceof SetupError && /slapd chromium g\+\+/.test(error.message));
});

test('setup: a failed installation shows the last words of apt-get and leaves no policy behind', (t) => {
  const bodies = { 'dpkg-query': onlySlapd, 'apt-get': 'echo "E: no mirror" >&2; [ "$1" = --version ]' };
  const { install, policy } = programs(t, bodies);
  assert.throws(
    () => install(0),
    (error) => error instanceof SetupError && /E: no mirror/.test(error.message),
  );
  assert.equal(existsSync(policy), false);
});

interface Module {
  readonly version: string;
  readonly optional?: boolean;
  readonly os?: string | string[];
}

/** A tree with a lock file and what npm recorded as installed. */
function tree(t: TestContext, locked: Record<string, Module>, installed?: Record<string, Module>): string {
  const root = folder(t);
  const write = (file: string, value: object) => writeFileSync(path.join(root, file), JSON.stringify(value));
  write('package-lock.json', { packages: { '': { version: '0.1.0' }, ...locked } });
  if (!installed) return root;
  mkdirSync(path.join(root, 'node_modules'));
  write('node_modules/.package-lock.json', { packages: installed });
  for (const name of Object.keys(installed)) {
    mkdirSync(path.join(root, name), { recursive: true });
    write(path.join(name, 'package.json'), { name });
  }
  return root;
}

test('setup: npm modules are installed anew when one is missing, older, or gone from the disk', (t) => {
  const a = { 'node_modules/a': { version: '1.0.0' } };
  assert.equal(moduleDifference(tree(t, a)), 'nothing is installed');
  assert.equal(moduleDifference(tree(t, a, a)), undefined);
  assert.equal(moduleDifference(tree(t, a, {})), 'node_modules/a 1.0.0');
  assert.equal(moduleDifference(tree(t, a, { 'node_modules/a': { version: '0.9.0' } })), 'node_modules/a 1.0.0');
  const emptied = tree(t, a, a);
  rmSync(path.join(emptied, 'node_modules/a/package.json'));
  assert.equal(moduleDifference(emptied), 'node_modules/a 1.0.0');
});

test('setup: an optional module may be absent, but not of another version', (t) => {
  const addon = { 'node_modules/addon': { version: '7.0.0', optional: true } };
  assert.equal(moduleDifference(tree(t, addon, {})), undefined);
  assert.notEqual(moduleDifference(tree(t, addon, { 'node_modules/addon': { version: '6.0.0' } })), undefined);
});

test('setup: modules made for another platform are recognised, optional ones aside', (t) => {
  const root = tree(t, {
    'node_modules/linux-only': { version: '1.0.0', os: 'linux' },
    'node_modules/mac-too': { version: '1.0.0', os: ['linux', 'darwin'] },
    'node_modules/if-it-fits': { version: '1.0.0', os: ['linux'], optional: true },
  });
  assert.deepEqual(misfits(root, { platform: 'darwin', arch: 'arm64' }), ['linux-only']);
  assert.deepEqual(misfits(root, { platform: 'linux', arch: 'x64' }), []);
});

test('setup: the npm that installs inherits nothing that leaves modules out, nor a Node that it is about to delete', () => {
  const env = npmEnvironment('/srv/gate', {
    PATH: '/srv/gate/node_modules/.bin:/usr/bin',
    NODE_ENV: 'production',
    npm_config_omit: 'dev',
    npm_lifecycle_event: 'prestart',
    npm_config_registry: 'http://127.0.0.1:4873/',
  });
  assert.equal(env.PATH, '/usr/bin');
  assert.equal(env.npm_config_registry, 'http://127.0.0.1:4873/');
  for (const name of ['NODE_ENV', 'npm_config_omit', 'npm_lifecycle_event']) assert.equal(name in env, false, name);
});

test('setup: Node is new enough from 24.20 on', () => {
  const answers = ['v20.20.2', 'v24.9.0', 'v24.20.0', 'v24.21.0', 'v26.0.0', ''].map(isNewEnough);
  assert.deepEqual(answers, [false, false, true, true, true, false]);
});

test('setup: while npm works, a lock keeps another setup of the tree waiting; it is gone afterwards', (t) => {
  const root = tree(t, { 'node_modules/a': { version: '1.0.0' } });
  const lock = path.join(root, '.setup.lock');
  const { bin, journal } = programs(t, { npm: `echo "held by $(cat .setup.lock)" >> "$(dirname "$0")/journal"` });
  setUp({ mode: 'start', root, env: { PATH: `${bin}:/bin:/usr/bin` }, uid: 0, say: () => {} });
  assert.match(journal(), new RegExp(`^npm ci .*\\nheld by ${process.pid}\\n$`));
  assert.equal(existsSync(lock), false);
});
