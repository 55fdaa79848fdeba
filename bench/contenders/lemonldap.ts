/** LemonLDAP::NG's handler in Apache (mod_perl), with sessions in its store of files and its cache before it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../../test/support/tools/free-port.ts';
import { startApache } from './apache.ts';
import { type Contender, type Ground, ownFolder, type User } from './contender.ts';

const delivered = '/var/lib/lemonldap-ng/conf/lmConf-1.json';

/** Its sessions as its portal makes them: by its own session class. */
const makeSessions = `
use strict; use Lemonldap::NG::Common::Session;
my ($directory, @names) = @ARGV;
for my $name (@names) {
  my $session = Lemonldap::NG::Common::Session->new({
    storageModule => 'Apache::Session::File', kind => 'SSO',
    storageModuleOptions => { Directory => $directory, LockDirectory => "$directory/lock",
      generateModule => 'Lemonldap::NG::Common::Apache::Session::Generate::SHA256' },
    info => { uid => $name, _user => $name, _utime => time, cn => $name, ipAddr => '127.0.0.1', authenticationLevel => 2 },
  });
  die $session->error if $session->error;
  print $session->id, "\\n";
}`;

/** Starts it. */
export async function lemonldap(ground: Ground): Promise<Contender> {
  const folder = ownFolder(ground, 'lemonldap');
  for (const name of ['conf', 'cache', 'sessions', 'sessions/lock']) mkdirSync(path.join(folder, name));
  writeFileSync(path.join(folder, 'conf', 'lmConf-1.json'), JSON.stringify(configuration(folder)));
  writeFileSync(path.join(folder, 'lemonldap.ini'), settings(folder));
  const users = signIn(folder, Math.min(ground.users, 200));
  const apache = await startApache(ground, {
    name: 'lemonldap',
    title: 'LemonLDAP::NG handler in Apache',
    port: await freePort(),
    modules: ['perl'],
    env: { LLNG_DEFAULTCONFFILE: path.join(folder, 'lemonldap.ini') },
    server: [
      'PerlOptions +GlobalRequest',
      'PerlModule Lemonldap::NG::Handler::ApacheMP2',
      ...['PerlInterpStart 4', 'PerlInterpMax 8', 'PerlInterpMaxSpare 8', 'PerlInterpMinSpare 1'],
      `PerlPassEnv LLNG_DEFAULTCONFFILE`,
    ],
    location: ['PerlHeaderParserHandler Lemonldap::NG::Handler::ApacheMP2', 'Require all granted'],
    tellsUser: true,
  });
  return { ...apache, users, hears: ({ name }) => name };
}

function signIn(folder: string, count: number): User[] {
  const names = Array.from({ length: count }, (_, index) => `user${index}`);
  const { status, stdout, stderr } = spawnSync(
    '/usr/bin/perl',
    ['-e', makeSessions, path.join(folder, 'sessions'), ...names],
    { encoding: 'utf8', env: { ...process.env, LLNG_DEFAULTCONFFILE: path.join(folder, 'lemonldap.ini') } },
  );
  const ids = stdout.split('\n').filter((line) => /^[0-9a-f]{32,}$/.test(line));
  if (status !== 0 || ids.length !== count) throw new Error(`LemonLDAP::NG makes no sessions: ${stderr}${stdout}`);
  return ids.map((id, index) => ({ name: names[index] ?? '', line: `Cookie: lemonldap=${id}` }));
}

function settings(folder: string): string {
  const cache = `{ 'namespace' => 'c', 'default_expires_in' => 600, 'cache_root' => '${folder}/cache' }`;
  return [
    ...['[all]', 'logLevel = error', '[configuration]', 'type = File', `dirName = ${folder}/conf`],
    ...['localStorage = Cache::FileCache', `localStorageOptions = ${cache}`, '[handler]', 'status = 0', ''],
  ].join('\n');
}

function configuration(folder: string): object {
  const kept = { Directory: `${folder}/sessions`, LockDirectory: `${folder}/sessions/lock` };
  const generateModule = 'Lemonldap::NG::Common::Apache::Session::Generate::SHA256';
  return {
    ...(JSON.parse(readFileSync(delivered, 'utf8')) as object),
    ...{ domain: '127.0.0.1', portal: 'http://auth.bench.test/', cookieName: 'lemonldap', securedCookie: 0 },
    globalStorage: 'Apache::Session::File',
    globalStorageOptions: { ...kept, generateModule },
    localSessionStorage: 'Cache::FileCache',
    localSessionStorageOptions: { namespace: 's', default_expires_in: 600, cache_root: `${folder}/cache` },
    locationRules: { '127.0.0.1': { default: 'accept' } },
    exportedHeaders: { '127.0.0.1': { 'X-Remote-User': '$uid' } },
    timeout: 72_000,
  };
}
