/** The process of a MIT Kerberos KDC with its realms; principals get random keys when somebody asks for these. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../tools/free-port.ts';
import { until } from '../tools/poll.ts';
import { endServer, hasEnded, type ServerProcess, startServer } from './server-process.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A KDC that runs. Keytabs are asked for by whole names, as in `HTTP/localhost@EXAMPLE.TEST`. */
export class KdcProcess {
  readonly port: number;
  readonly child: ServerProcess;
  readonly #folder: string;
  readonly #env: Environment;
  readonly #keytabs = new Map<string, Buffer>();
  #turn: Promise<unknown> = Promise.resolve();
  #files = 0;

  private constructor(folder: string, port: number, env: Environment, child: ServerProcess) {
    this.#folder = folder;
    this.port = port;
    this.#env = env;
    this.child = child;
  }

  /** Starts one in an empty folder; users of each realm may get tickets for services of the others. */
  static async start(folder: string, realms: readonly string[]): Promise<KdcProcess> {
    const port = await freePort();
    const krb5Config = join(folder, 'krb5.conf');
    writeFileSync(krb5Config, clientConfigOf(realms, port));
    writeFileSync(join(folder, 'kdc.conf'), serverConfigOf(folder, realms, port));
    const env = { PATH: process.env.PATH, KRB5_CONFIG: krb5Config, KRB5_KDC_PROFILE: join(folder, 'kdc.conf') };
    const bridges = realms.flatMap((from) =>
      realms.filter((to) => to !== from).map((to) => `addprinc -pw bridge krbtgt/${to}@${from}`),
    );
    for (const realm of realms) {
      mkdirSync(join(folder, realm));
      await runProgram('/usr/sbin/kdb5_util', ['-r', realm, 'create', '-s', '-P', 'master'], env);
      if (bridges.length > 0) await administer(env, realm, bridges);
    }
    return new KdcProcess(folder, port, env, await serve(folder, realms, port, env));
  }

  /** A keytab with the present keys of principals, which are made where they are not there yet. */
  keytab(principals: readonly string[]): Promise<Buffer> {
    return this.#inTurn(async () => {
      const missing = Map.groupBy(new Set(principals).difference(this.#keytabs), realmOf);
      for (const [realm, names] of missing) {
        const added = names.map((name) => `addprinc -randkey ${name}`);
        await this.#export(realm, names, '-norandkey', added);
      }
      return joinKeytabs(principals.map((principal) => this.#keytabs.get(principal) ?? Buffer.alloc(0)));
    });
  }

  /** The same with new keys, of these encryption types: keytabs and tickets of before are good no more. */
  freshKeytab(principals: readonly string[], enctypes: string): Promise<Buffer> {
    return this.#inTurn(async () => {
      for (const [realm, names] of Map.groupBy(principals, realmOf))
        await this.#export(realm, names, `-e ${enctypes}`, []);
      return joinKeytabs(principals.map((principal) => this.#keytabs.get(principal) ?? Buffer.alloc(0)));
    });
  }

  end(): Promise<void> {
    return endServer(this.child);
  }

  async #export(realm: string, names: readonly string[], how: string, before: readonly string[]): Promise<void> {
    const files = names.map(() => join(this.#folder, `exported-${++this.#files}.keytab`));
    const exports = names.map((name, index) => `ktadd -q -k ${files[index]} ${how} ${name}`);
    await administer(this.#env, realm, [...before, ...exports]);
    for (const [index, name] of names.entries()) this.#keytabs.set(name, readFileSync(files[index] ?? ''));
  }

  /** One at a time: two kadmin.local lock each other out of the database. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** The krb5.conf of clients and services; the first realm is the default one. */
export function clientConfigOf(realms: readonly string[], port: number, defaults: readonly string[] = []): string {
  const section = (name: string) => [` ${name} = {`, `  kdc = 127.0.0.1:${port}`, ' }'];
  return [
    '[libdefaults]',
    ` default_realm = ${realms[0]}`,
    ' dns_canonicalize_hostname = false',
    ' rdns = false',
    ' dns_lookup_kdc = false',
    ' dns_lookup_realm = false',
    ' udp_preference_limit = 1',
    ' allow_weak_crypto = true',
    ...defaults.map((line) => ` ${line}`),
    '[realms]',
    ...realms.flatMap(section),
    '[domain_realm]',
    ` localhost = ${realms[0]}`,
    ` .example.test = ${realms[0]}`,
    '',
  ].join('\n');
}

/** Runs a program to its end; a failure carries what it wrote. */
export function runProgram(
  program: string,
  parameters: readonly string[],
  env: Environment,
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

function administer(env: Environment, realm: string, lines: readonly string[]): Promise<string> {
  return runProgram('/usr/sbin/kadmin.local', ['-r', realm], env, `${lines.join('\n')}\nquit\n`);
}

function realmOf(principal: string): string {
  return principal.slice(principal.lastIndexOf('@') + 1);
}

/** A keytab is two bytes of version and entries, one after the other. */
function joinKeytabs([first = Buffer.alloc(0), ...others]: readonly Buffer[]): Buffer {
  return Buffer.concat([first, ...others.map((keytab) => keytab.subarray(2))]);
}

async function serve(
  folder: string,
  realms: readonly string[],
  port: number,
  env: Environment,
): Promise<ServerProcess> {
  const names = realms.flatMap((realm) => ['-r', realm]);
  const words = ['-n', ...names, '-P', join(folder, 'kdc.pid')];
  const child = startServer('/usr/sbin/krb5kdc', words, { env: { ...env } });
  await until(
    'the KDC accepts connections',
    () => {
      if (hasEnded(child)) throw new Error(`krb5kdc ended with ${child.exitCode ?? child.signalCode}: ${child.said()}`);
      return accepts(port);
    },
    60_000,
  );
  return child;
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
