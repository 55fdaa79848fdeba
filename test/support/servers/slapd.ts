/** A real OpenLDAP server on free ports, with its own folder and its own process, ended with the test. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type CertificateFiles, testCertificates } from '../tools/certificates.ts';
import { freePort } from '../tools/free-port.ts';
import { until } from '../tools/poll.ts';

/** A user of the directory; `attributes` adds to or replaces what a person has. */
export interface Person {
  readonly uid: string;
  readonly password: string;
  readonly name?: string;
  readonly email?: string;
  /** In place of `uid=…,ou=people,…`. */
  readonly dn?: string;
  readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
}

/** What is in the directory and how it is served. */
export interface SlapdOptions {
  readonly people?: readonly Person[];
  /** Names of groups with their members: user ids, or `group:NAME` for a group in a group. */
  readonly groups?: Readonly<Record<string, readonly string[]>>;
  /** So many more users, `user0001` on, all with the password `pass-NUMBER`. */
  readonly many?: number;
  /** More entries. */
  readonly entries?: readonly {
    readonly dn: string;
    readonly attributes: Readonly<Record<string, string | readonly string[]>>;
  }[];
  /** Lines for the global part of slapd.conf. */
  readonly config?: readonly string[];
  /** Lines for the database part, such as access rules. */
  readonly database?: readonly string[];
  /** For ldaps and StartTLS; the good one when absent. */
  readonly certificate?: CertificateFiles;
}

/** A running server. */
export interface Slapd {
  readonly url: string;
  readonly ldapsUrl: string;
  readonly port: number;
  readonly ldapsPort: number;
  /** Who may read everything. */
  readonly managerDn: string;
  readonly managerPassword: string;
  readonly searchBase: string;
  readonly groupBase: string;
  /** Asks it to end, and waits for that. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL). */
  kill(): Promise<void>;
  /** Freezes it: connections are still accepted by the kernel, nothing is answered (SIGSTOP). */
  pause(): void;
  resume(): void;
  /** Changes the directory as its administrator, by the text of LDIF change records. */
  modify(changes: string): void;
  /** Starts it again on the same ports with the same data, also with another certificate. */
  restart(certificate?: CertificateFiles): Promise<void>;
}

/** Where everything is. */
export const suffix = 'dc=example,dc=com';
const peopleBase = `ou=people,${suffix}`;
const groupBase = `ou=groups,${suffix}`;
const manager = { dn: `uid=reader,${peopleBase}`, password: 'reads-3f81c2' };

/** A policy for a person's `pwdPolicySubentry`: locked after three failures, passwords of eight characters or more. */
export const strictPolicy = `cn=strict,ou=policies,${suffix}`;
/** A policy under which a password ends one second after it was set. */
export const expiringPolicy = `cn=expiring,ou=policies,${suffix}`;

/** The DN of a user in `ou=people`. */
export function personDn(uid: string): string {
  return `uid=${escapeValue(uid)},${peopleBase}`;
}

function escapeValue(value: string): string {
  return value.replace(/[,+"\\<>;=#]/g, (sign) => `\\${sign}`);
}

/** Whether slapd is on this machine. Without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export function hasSlapd(): boolean {
  return existsSync('/usr/sbin/slapd');
}

/** Options for a test that needs slapd. */
export const needsSlapd: { readonly skip: string | false } = {
  skip: hasSlapd() || process.env.CI === 'true' ? false : 'slapd is not installed: apt-get install slapd ldap-utils',
};

/** Starts a server; it ends and its folder goes with the test. */
export async function startSlapd(t: TestContext, options: SlapdOptions = {}): Promise<Slapd> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-slapd-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const [port, ldapsPort] = [await freePort(), await freePort()];
  mkdirSync(join(folder, 'data'));
  writeFileSync(join(folder, 'content.ldif'), contentOf(options));
  const configure = (certificate: CertificateFiles | undefined) =>
    writeFileSync(join(folder, 'slapd.conf'), configOf(folder, { ...options, ...(certificate && { certificate }) }));
  configure(options.certificate);
  // Also when the content is refused, before there is a server to end.
  t.after(remove);
  execFileSync('/usr/sbin/slapadd', ['-q', '-f', join(folder, 'slapd.conf'), '-l', join(folder, 'content.ldif')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let child = await serve(folder, port, ldapsPort);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(signal);
    await exit;
  };
  t.after(async () => {
    await end('SIGKILL');
    remove();
  });
  return {
    url: `ldap://127.0.0.1:${port}`,
    ldapsUrl: `ldaps://127.0.0.1:${ldapsPort}`,
    port,
    ldapsPort,
    managerDn: manager.dn,
    managerPassword: manager.password,
    searchBase: peopleBase,
    groupBase,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    modify: (changes) =>
      void execFileSync(
        'ldapmodify',
        ['-x', '-H', `ldap://127.0.0.1:${port}`, '-D', `cn=admin,${suffix}`, '-w', 'admin-77b0de', '-e', '!relax'],
        { input: changes, stdio: ['pipe', 'ignore', 'pipe'] },
      ),
    restart: async (certificate) => {
      await end('SIGTERM');
      configure(certificate ?? options.certificate);
      child = await serve(folder, port, ldapsPort);
    },
  };
}

async function serve(folder: string, port: number, ldapsPort: number): Promise<ChildProcess> {
  const addresses = `ldap://127.0.0.1:${port}/ ldaps://127.0.0.1:${ldapsPort}/`;
  const child = spawn('/usr/sbin/slapd', ['-h', addresses, '-f', join(folder, 'slapd.conf'), '-d', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  await until(
    'slapd answers',
    () => {
      if (child.exitCode !== null) throw new Error(`slapd ended with ${child.exitCode}: ${said}`);
      return answers(port);
    },
    60_000,
  );
  return child;
}

// An anonymous BindRequest with message id 1, and the tag of the BindResponse (RFC 4511 §4.2).
const anonymousBind = Buffer.from('300c020101600702010304008000', 'hex');
const bindResponse = 0x61;

/** Whether a directory answers there. It listens long before, while it reads its configuration and opens its database. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(anonymousBind));
    socket.setTimeout(5000, () => socket.destroy());
    socket.once('error', () => resolve(false)).once('close', () => resolve(false));
    socket.once('data', (answer) => {
      resolve(answer[0] === 0x30 && answer[5] === bindResponse);
      socket.destroy();
    });
  });
}

function configOf(
  folder: string,
  { config = [], database = [], certificate = testCertificates().good }: SlapdOptions,
): string {
  const schemas = ['core', 'cosine', 'inetorgperson', 'nis'].map((name) => `include /etc/ldap/schema/${name}.schema`);
  return [
    ...schemas,
    'modulepath /usr/lib/ldap',
    'moduleload back_mdb',
    'moduleload ppolicy',
    'moduleload memberof',
    `pidfile ${folder}/slapd.pid`,
    `TLSCACertificateFile ${testCertificates().ca}`,
    `TLSCertificateFile ${certificate.certificate}`,
    `TLSCertificateKeyFile ${certificate.key}`,
    'TLSVerifyClient never',
    ...config,
    'database mdb',
    'maxsize 268435456',
    `suffix "${suffix}"`,
    `rootdn "cn=admin,${suffix}"`,
    'rootpw admin-77b0de',
    `directory ${folder}/data`,
    'dbnosync',
    'index uid,cn,member,memberUid eq',
    ...(database.length > 0
      ? database
      : ['access to attrs=userPassword by self write by anonymous auth by * none', 'access to * by * read']),
    'overlay memberof',
    'memberof-dangling ignore',
    'overlay ppolicy',
    'ppolicy_use_lockout',
    '',
  ].join('\n');
}

function contentOf({ people = [], groups = {}, many = 0, entries = [] }: SlapdOptions): string {
  const unit = (ou: string) => ldif(`ou=${ou},${suffix}`, { objectClass: 'organizationalUnit', ou });
  const policy = (dn: string, extra: Readonly<Record<string, string>>) =>
    ldif(dn, {
      objectClass: ['device', 'pwdPolicy'],
      cn: /cn=(\w+)/.exec(dn)?.[1] ?? '',
      pwdAttribute: '2.5.4.35',
      ...extra,
    });
  const crowd: Person[] = Array.from({ length: many }, (_, index) => {
    const number = String(index + 1).padStart(4, '0');
    return { uid: `user${number}`, password: `pass-${number}`, name: `User ${number}` };
  });
  return [
    ldif(suffix, { objectClass: ['dcObject', 'organization'], dc: 'example', o: 'Example' }),
    ...['people', 'groups', 'policies'].map(unit),
    policy(strictPolicy, {
      pwdMaxFailure: '3',
      pwdLockout: 'TRUE',
      pwdMustChange: 'TRUE',
      pwdMinLength: '8',
      pwdCheckQuality: '2',
      pwdAllowUserChange: 'TRUE',
    }),
    policy(expiringPolicy, { pwdMaxAge: '1' }),
    ldif(manager.dn, {
      objectClass: ['account', 'simpleSecurityObject'],
      uid: 'reader',
      userPassword: manager.password,
    }),
    ...[...people, ...crowd].map((person) => personLdif(person, groups)),
    ...Object.entries(groups).map(([name, members]) =>
      ldif(groupDn(name), {
        objectClass: 'groupOfNames',
        cn: name,
        member: members.map(memberDn(people)),
        memberOf: groupsWith(groups, `group:${name}`),
      }),
    ),
    ...entries.map(({ dn, attributes }) => ldif(dn, attributes)),
  ].join('\n');
}

function personLdif(
  { uid, password, name = uid, email, dn = personDn(uid), attributes }: Person,
  groups: SlapdOptions['groups'],
): string {
  return ldif(dn, {
    objectClass: 'inetOrgPerson',
    uid,
    cn: name,
    sn: name,
    userPassword: password,
    ...(email !== undefined && { mail: email }),
    memberOf: groupsWith(groups ?? {}, uid),
    ...attributes,
  });
}

/** slapadd does not run the overlay that keeps memberOf, so it is written here. */
function groupsWith(groups: NonNullable<SlapdOptions['groups']>, member: string): readonly string[] {
  return Object.keys(groups)
    .filter((name) => groups[name]?.includes(member))
    .map(groupDn);
}

function memberDn(people: readonly Person[]): (member: string) => string {
  return (member) =>
    member.startsWith('group:')
      ? groupDn(member.slice(6))
      : (people.find(({ uid }) => uid === member)?.dn ?? personDn(member));
}

function groupDn(name: string): string {
  return `cn=${escapeValue(name)},${groupBase}`;
}

function ldif(dn: string, attributes: Readonly<Record<string, string | readonly string[]>>): string {
  const line = (name: string, value: string) => `${name}:: ${Buffer.from(value).toString('base64')}`;
  const lines = Object.entries(attributes).flatMap(([name, value]) => [value].flat().map((one) => line(name, one)));
  return [line('dn', dn), ...lines, ''].join('\n');
}
