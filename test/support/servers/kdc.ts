/**
 * A real MIT Kerberos KDC on a free port, with its own folder, realms and principals, ended with the test. `kerberos-client.ts`
 * beside it makes the tokens that a browser would send.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { freePort } from '../tools/free-port.ts';
import { until } from '../tools/poll.ts';

/** What is in the KDC. */
export interface KdcOptions {
  /** The realm of the services. */
  readonly realm?: string;
  /** Names of users; all get random keys and sign in by a keytab of their own. */
  readonly users?: readonly string[];
  /** Principals of services, such as `HTTP/localhost`. */
  readonly services?: readonly string[];
  /** Another realm, whose users may get tickets for the services of the first. */
  readonly partner?: { readonly realm: string; readonly users: readonly string[] };
  /** Lines for `[libdefaults]` of everybody's krb5.conf, such as `clockskew = 2`. */
  readonly defaults?: readonly string[];
}

/** Which ticket a token carries. */
export interface TokenWish {
  /** `HTTP@localhost` when absent. */
  readonly service?: string;
  /** False asks the service to prove itself as well; it does when absent. */
  readonly mutual?: boolean;
  /** A bare Kerberos token in place of one in SPNEGO. */
  readonly bare?: boolean;
}

/** A running KDC. */
export interface Kdc {
  readonly realm: string;
  readonly port: number;
  readonly folder: string;
  /** The krb5.conf of clients and services. */
  readonly krb5Config: string;
  /** A keytab with the present keys of services; `-e` of kadmin's ktadd, and so new keys, when `enctypes` are given. */
  keytab(principals: readonly string[], enctypes?: string): Promise<string>;
  /** Runs lines of kadmin.local in a realm. */
  administer(lines: readonly string[], realm?: string): Promise<string>;
  /** Signs a user in; the variables make a program use the ticket. */
  signIn(user: string): Promise<Readonly<Record<string, string>>>;
  /** The base64 of a fresh token of a user, who signs in when they have not yet. */
  token(user: string, wish?: TokenWish): Promise<string>;
}

const programs = ['/usr/sbin/krb5kdc', '/usr/sbin/kadmin.local', '/usr/sbin/kdb5_util', '/usr/bin/kinit'];
const missing = programs.find((program) => !existsSync(program));

/** Options for a test that needs a KDC: without one it fails under CI and is skipped, with the reason, elsewhere. */
export const needsKdc: { readonly skip: string | false } = {
  skip:
    missing === undefined || process.env.CI === 'true'
      ? false
      : `${missing} is not installed: apt-get install krb5-kdc krb5-admin-server krb5-user`,
};

/** Starts a KDC; it ends and its folder goes with the test. */
export async function startKdc(t: TestContext, options: KdcOptions = {}): Promise<Kdc> {
  const { realm = 'EXAMPLE.TEST', users = ['alice', 'bob'], services = ['HTTP/localhost'], partner } = options;
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-kdc-'));
  const port = await freePort();
  const realms = partner ? [realm, partner.realm] : [realm];
  const krb5Config = join(folder, 'krb5.conf');
  writeFileSync(krb5Config, clientConfigOf(realms, port, options.defaults ?? []));
  writeFileSync(join(folder, 'kdc.conf'), serverConfigOf(folder, realms, port));
  const env = { PATH: process.env.PATH, KRB5_CONFIG: krb5Config, KRB5_KDC_PROFILE: join(folder, 'kdc.conf') };
  const administer = (lines: readonly string[], where = realm): Promise<string> =>
    run('/usr/sbin/kadmin.local', ['-r', where], env, `${lines.join('\n')}\nquit\n`);
  const bridge = partner
    ? [realm, partner.realm].map((to, at) => `addprinc -pw bridge krbtgt/${to}@${at ? realm : partner.realm}`)
    : [];
  const home = { realm, users, services };
  for (const each of partner ? [home, { ...partner, services: [] }] : [home]) {
    mkdirSync(join(folder, each.realm));
    await run('/usr/sbin/kdb5_util', ['-r', each.realm, 'create', '-s', '-P', 'master'], env);
    const principals = [...each.users, ...each.services].map((name) => `addprinc -randkey ${name}@${each.realm}`);
    const keytab = join(folder, `${each.realm}.users.keytab`);
    const exports = each.users.map((user) => `ktadd -q -norandkey -k ${keytab} ${user}@${each.realm}`);
    await administer([...principals, ...bridge, ...exports], each.realm);
  }
  const server = await serve(t, folder, realms, port, env);
  const wallet = new Wallet(folder, realm, env);
  t.after(async () => {
    await wallet.close();
    await ended(server);
    rmSync(folder, { recursive: true, force: true });
  });
  let keytabs = 0;
  return {
    realm,
    port,
    folder,
    krb5Config,
    administer,
    keytab: async (principals, enctypes) => {
      keytabs += 1;
      const file = join(folder, `service-${keytabs}.keytab`);
      const how = enctypes === undefined ? '-norandkey' : `-e ${enctypes}`;
      await administer(principals.map((principal) => `ktadd -q -k ${file} ${how} ${principal}`));
      return file;
    },
    signIn: (user) => wallet.signIn(user),
    token: (user, wish) => wallet.token(user, wish),
  };
}

/** The users' side: their tickets, and the program that turns these into tokens. */
class Wallet {
  readonly #folder: string;
  readonly #realm: string;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #signedIn = new Map<string, Promise<Readonly<Record<string, string>>>>();
  readonly #waiting: ((line: string) => void)[] = [];
  #client: ChildProcess | undefined;

  constructor(folder: string, realm: string, env: Readonly<Record<string, string | undefined>>) {
    this.#folder = folder;
    this.#realm = realm;
    this.#env = env;
  }

  signIn(user: string): Promise<Readonly<Record<string, string>>> {
    const known = this.#signedIn.get(user);
    if (known) return known;
    const { principal, cache, keytab } = this.#placesOf(user);
    const coming = run('/usr/bin/kinit', ['-k', '-t', keytab, '-c', cache, principal], this.#env).then(() => ({
      KRB5_CONFIG: this.#env.KRB5_CONFIG ?? '',
      KRB5CCNAME: cache,
    }));
    this.#signedIn.set(user, coming);
    return coming;
  }

  async token(
    user: string,
    { service = 'HTTP@localhost', mutual = true, bare = false }: TokenWish = {},
  ): Promise<string> {
    this.#client ??= this.#start();
    const answer = new Promise<string>((resolve) => this.#waiting.push(resolve));
    this.#client.stdin?.write(`${JSON.stringify({ ...this.#placesOf(user), service, mutual, bare })}\n`);
    const { token, error } = JSON.parse(await answer) as { token?: string; error?: string };
    if (token === undefined) throw new Error(`no token for ${user}: ${error}`);
    return token;
  }

  async close(): Promise<void> {
    if (this.#client) await ended(this.#client);
  }

  #placesOf(user: string): { principal: string; cache: string; keytab: string } {
    const [name = '', realm = this.#realm] = user.split('@');
    const cache = `FILE:${join(this.#folder, `${name.replaceAll('/', '_')}.${realm}.cache`)}`;
    return { principal: `${name}@${realm}`, cache, keytab: join(this.#folder, `${realm}.users.keytab`) };
  }

  #start(): ChildProcess {
    const program = join(import.meta.dirname, '../tools/kerberos-client.ts');
    const client = spawn(process.execPath, [program], { env: this.#env, stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: client.stdout as NonNullable<typeof client.stdout> });
    lines.on('line', (line) => this.#waiting.shift()?.(line));
    lines.on('close', () => {
      for (const resolve of this.#waiting.splice(0)) resolve('{"error":"the client ended"}');
    });
    return client;
  }
}

async function serve(
  t: TestContext,
  folder: string,
  realms: readonly string[],
  port: number,
  env: NodeJS.ProcessEnv,
): Promise<ChildProcess> {
  const names = realms.flatMap((realm) => ['-r', realm]);
  const child = spawn('/usr/sbin/krb5kdc', ['-n', ...names, '-P', join(folder, 'kdc.pid')], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => ended(child));
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  await until(
    'the KDC accepts connections',
    () => {
      if (child.exitCode !== null) throw new Error(`krb5kdc ended with ${child.exitCode}: ${said}`);
      return accepts(port);
    },
    60_000,
  );
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket
      .once('error', () => resolve(false))
      .once('connect', () => {
        socket.destroy();
        resolve(true);
      });
  });
}

/** Runs a program to its end; a failure carries what it wrote. */
function run(
  program: string,
  parameters: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  input?: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, parameters, { env: { ...env }, maxBuffer: 16 * 1024 ** 2 }, (error, out, err) => {
      const said = `${out}${err}`;
      if (error || (input !== undefined && /^\w[\w ]*: .* while /m.test(err))) reject(new Error(`${program}: ${said}`));
      else resolve(said);
    });
    // Programs that read nothing may have ended before.
    child.stdin?.on('error', () => undefined).end(input ?? '');
  });
}

function clientConfigOf([realm = '', ...others]: readonly string[], port: number, defaults: readonly string[]): string {
  const section = (name: string) => [` ${name} = {`, `  kdc = 127.0.0.1:${port}`, ' }'];
  return [
    '[libdefaults]',
    ` default_realm = ${realm}`,
    ' dns_canonicalize_hostname = false',
    ' rdns = false',
    ' dns_lookup_kdc = false',
    ' dns_lookup_realm = false',
    ' udp_preference_limit = 1',
    ' allow_weak_crypto = true',
    ...defaults.map((line) => ` ${line}`),
    '[realms]',
    ...[realm, ...others].flatMap(section),
    '[domain_realm]',
    ` localhost = ${realm}`,
    ` .example.test = ${realm}`,
    '',
  ].join('\n');
}

function serverConfigOf(folder: string, realms: readonly string[], port: number): string {
  const section = (realm: string) => [
    ` ${realm} = {`,
    `  database_name = ${folder}/${realm}/principal`,
    `  key_stash_file = ${folder}/${realm}/stash`,
    `  acl_file = ${folder}/kadm5.acl`,
    `  kdc_tcp_listen = 127.0.0.1:${port}`,
    '  kdc_listen = ""',
    '  supported_enctypes = aes256-cts:normal aes128-cts:normal',
    ' }',
  ];
  return [
    '[kdcdefaults]',
    ' kdc_listen = ""',
    ` kdc_tcp_listen = 127.0.0.1:${port}`,
    '[realms]',
    ...realms.flatMap(section),
    '[logging]',
    ` kdc = FILE:${folder}/kdc.log`,
    '',
  ].join('\n');
}
