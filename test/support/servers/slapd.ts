/**
 * Real OpenLDAP directories for tests. Most tests share the server of the run, in which each has a base of its own; one that
 * stops, freezes or configures the server starts its own.
 */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CertificateFiles } from '../tools/certificates.ts';
import { freePort } from '../tools/free-port.ts';
import { endServer, freezeServer } from './server-process.ts';
import { shared } from './shared/shared.ts';
import { contentAsChanges, contentForSlapadd, type DirectoryContent, manager, personDn } from './slapd-content.ts';
import {
  administrator,
  configureSlapd,
  prepareSlapd,
  type SlapdPorts,
  type SlapdSettings,
  serveSlapd,
  suffix,
} from './slapd-process.ts';

/** A directory to be asked: on the server of the run or on the test's own. */
export interface Directory extends SlapdPorts {
  readonly url: string;
  readonly ldapsUrl: string;
  /** Who may read everything. */
  readonly managerDn: string;
  readonly managerPassword: string;
  readonly searchBase: string;
  readonly groupBase: string;
  /** Above both. */
  readonly base: string;
  /** Changes the directory as its administrator, by the text of LDIF change records. */
  modify(changes: string): void;
}

/** A server of the test's own. */
export interface Slapd extends Directory {
  /** Asks it to end, and waits for that. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL). */
  kill(): Promise<void>;
  /** Freezes it: connections are still accepted by the kernel, nothing is answered (SIGSTOP). */
  pause(): void;
  resume(): void;
  /** Starts it again on the same ports with the same data, also with another certificate. */
  restart(certificate?: CertificateFiles): Promise<void>;
}

const programs = ['/usr/sbin/slapd', '/usr/bin/ldapmodify'];

/** Options for a test that needs slapd. Without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsSlapd: { readonly skip: string | false } = {
  skip:
    programs.every((program) => existsSync(program)) || process.env.CI === 'true'
      ? false
      : 'slapd is not installed: apt-get install slapd ldap-utils',
};

/** A directory with this content on the server that the run shares. */
export async function shareSlapd(t: TestContext, content: DirectoryContent = {}): Promise<Directory> {
  const { number, ...ports } = await shared(t, { kind: 'slapd' });
  const base = `ou=test${number},${suffix}`;
  const directory = directoryAt(base, ports);
  directory.modify(contentAsChanges(base, content));
  return directory;
}

/** Starts a server; it ends and its folder goes with the test. */
export async function startSlapd(t: TestContext, options: DirectoryContent & SlapdSettings = {}): Promise<Slapd> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-slapd-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // Also when the content is refused, before there is a server to end.
  t.after(remove);
  const ports = { port: await freePort(), ldapsPort: await freePort() };
  prepareSlapd(folder, options, contentForSlapadd(suffix, options));
  let child: ChildProcess = await serveSlapd(folder, ports);
  t.after(async () => {
    await endServer(child);
    remove();
  });
  return {
    ...directoryAt(suffix, ports),
    stop: () => endServer(child, 'SIGTERM'),
    kill: () => endServer(child),
    pause: () => freezeServer(child),
    resume: () => void child.kill('SIGCONT'),
    restart: async (certificate) => {
      await endServer(child, 'SIGTERM');
      configureSlapd(folder, { ...options, ...(certificate && { certificate }) });
      child = await serveSlapd(folder, ports);
    },
  };
}

function directoryAt(base: string, { port, ldapsPort }: SlapdPorts): Directory {
  const url = `ldap://127.0.0.1:${port}`;
  return {
    url,
    ldapsUrl: `ldaps://127.0.0.1:${ldapsPort}`,
    port,
    ldapsPort,
    managerDn: personDn(manager.uid, base),
    managerPassword: manager.password,
    searchBase: `ou=people,${base}`,
    groupBase: `ou=groups,${base}`,
    base,
    modify: (changes) => modify(url, changes),
  };
}

/** Relaxed, so that operational attributes can be set. */
function modify(url: string, changes: string): void {
  const { dn, password } = administrator;
  const words = ['-x', '-H', url, '-D', dn, '-w', password, '-e', '!relax'];
  execFileSync('/usr/bin/ldapmodify', words, { input: changes, stdio: ['pipe', 'ignore', 'pipe'] });
}
