/** The process of an OpenLDAP server: its configuration, its start, and when it answers. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type CertificateFiles, testCertificates } from '../tools/certificates.ts';
import { until } from '../tools/poll.ts';
import { hasEnded, type ServerProcess, startServer } from './server-process.ts';

/** How a directory is served. */
export interface SlapdSettings {
  /** Lines for the database part, such as access rules. */
  readonly database?: readonly string[];
  /** For ldaps and StartTLS; the good one when absent. */
  readonly certificate?: CertificateFiles;
}

/** Where a server listens at 127.0.0.1. */
export interface SlapdPorts {
  readonly port: number;
  readonly ldapsPort: number;
}

/** The base of the database. */
export const suffix = 'dc=example,dc=com';
/** Who may write everything, into a server that runs. */
export const administrator = { dn: `cn=admin,${suffix}`, password: 'admin-77b0de' } as const;

/** Attributes that slapd has no schema for, under the names and forms of the servers that have them. */
const foreign = [
  "attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )",
  "attributetype ( 1.2.840.113556.1.4.159 NAME 'accountExpires' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )",
  "attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )",
  "attributetype ( 2.16.840.1.113719.1.1.4.1.35 NAME 'lockoutTime' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )",
];

/** Writes the configuration and loads the content into an empty folder. */
export function prepareSlapd(folder: string, settings: SlapdSettings, content: string): void {
  mkdirSync(join(folder, 'data'));
  writeFileSync(join(folder, 'content.ldif'), content);
  configureSlapd(folder, settings);
  execFileSync('/usr/sbin/slapadd', ['-q', '-f', join(folder, 'slapd.conf'), '-l', join(folder, 'content.ldif')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

/** Writes the configuration that the next start reads. */
export function configureSlapd(folder: string, settings: SlapdSettings): void {
  writeFileSync(join(folder, 'slapd.conf'), configOf(folder, settings));
}

/** Starts a server on a folder that is prepared; resolves when it answers. */
export async function serveSlapd(folder: string, { port, ldapsPort }: SlapdPorts): Promise<ServerProcess> {
  const addresses = `ldap://127.0.0.1:${port}/ ldaps://127.0.0.1:${ldapsPort}/`;
  const child = startServer('/usr/sbin/slapd', ['-h', addresses, '-f', join(folder, 'slapd.conf'), '-d', '0']);
  await until(
    'slapd answers',
    () => {
      if (hasEnded(child)) throw new Error(`slapd ended with ${child.exitCode ?? child.signalCode}: ${child.said()}`);
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

function configOf(folder: string, { database = [], certificate = testCertificates().good }: SlapdSettings): string {
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
    ...foreign,
    'database mdb',
    'maxsize 268435456',
    `suffix "${suffix}"`,
    `rootdn "${administrator.dn}"`,
    `rootpw ${administrator.password}`,
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
