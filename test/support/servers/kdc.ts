/**
 * Real MIT Kerberos KDCs for tests. Most tests share the KDC of the run, whose principals keep their keys; one that changes keys
 * starts its own. What a test has of it (configuration, keytabs, tickets) is in a folder of its own.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { clientConfigOf, KdcProcess, runProgram } from './kdc-process.ts';
import { TokenMaker, type TokenOrder } from './kerberos-tokens.ts';
import { ask, shared } from './shared/shared.ts';

/** Who is in the KDC. */
export interface KdcOptions {
  /** Names of users; all get random keys and sign in by a keytab of their own. */
  readonly users?: readonly string[];
  /** Principals of services, such as `HTTP/localhost`. */
  readonly services?: readonly string[];
  /** Users of the realm `PARTNER.TEST`, who may get tickets for the services. */
  readonly partners?: readonly string[];
  /** Lines for `[libdefaults]` of the test's krb5.conf, such as `clockskew = 2`. */
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
  readonly folder: string;
  /** The krb5.conf of clients and services. */
  readonly krb5Config: string;
  /** A keytab with the present keys of services. */
  keytab(principals: readonly string[]): Promise<string>;
  /** Signs a user in; the variables make a program use the ticket. */
  signIn(user: string): Promise<Readonly<Record<string, string>>>;
  /** The base64 of a fresh token of a user, who signs in when they have not yet. */
  token(user: string, wish?: TokenWish): Promise<string>;
}

/** A KDC of the test's own. */
export interface OwnKdc extends Kdc {
  /** A keytab with new keys of services, of encryption types as kadmin names them: the old ones are good no more. */
  freshKeytab(principals: readonly string[], enctypes: string): Promise<string>;
}

/** The realms of a KDC; users and services are in the first. */
export const kdcRealms = ['EXAMPLE.TEST', 'PARTNER.TEST'] as const;

const [realm] = kdcRealms;
const programs = ['/usr/sbin/krb5kdc', '/usr/sbin/kadmin.local', '/usr/sbin/kdb5_util', '/usr/bin/kinit'];
const missing = programs.find((program) => !existsSync(program));

/** Options for a test that needs a KDC: without one it fails under CI and is skipped, with the reason, elsewhere. */
export const needsKdc: { readonly skip: string | false } = {
  skip:
    missing === undefined || process.env.CI === 'true'
      ? false
      : `${missing} is not installed: apt-get install krb5-kdc krb5-admin-server krb5-user`,
};

/** The KDC that the run shares. */
export async function shareKdc(t: TestContext, options: KdcOptions = {}): Promise<Kdc> {
  const { port } = await shared(t, { kind: 'kdc' });
  const kdc = new TestKdc(options, {
    port,
    keytab: async (principals) => Buffer.from((await ask({ kind: 'keytab', principals })).keytab, 'base64'),
    token: async (order) => (await ask({ kind: 'token', order })).token,
  });
  t.after(() => kdc.remove());
  await kdc.prepare();
  return kdc;
}

/** Starts a KDC; it ends and its folder goes with the test. */
export async function startKdc(t: TestContext, options: KdcOptions = {}): Promise<OwnKdc> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-kdc-'));
  const server = await KdcProcess.start(folder, options.partners ? kdcRealms : [realm]);
  const tokens = new TokenMaker(join(folder, 'krb5.conf'));
  const kdc = new TestKdc(options, {
    port: server.port,
    keytab: (principals) => server.keytab(principals),
    token: (order) => tokens.make(order),
  });
  t.after(async () => {
    await Promise.all([tokens.close(), server.end()]);
    kdc.remove();
    rmSync(folder, { recursive: true, force: true });
  });
  await kdc.prepare();
  return Object.assign(kdc, {
    freshKeytab: async (principals: readonly string[], enctypes: string) =>
      kdc.write(await server.freshKeytab(principals.map(inRealm), enctypes)),
  });
}

/** What a KDC does for the tests' side of it. */
interface KdcServices {
  readonly port: number;
  keytab(principals: readonly string[]): Promise<Buffer>;
  token(order: TokenOrder): Promise<string>;
}

/** The side of the users and services, in a folder of its own. */
class TestKdc implements Kdc {
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-kerberos-'));
  readonly krb5Config = join(this.folder, 'krb5.conf');
  readonly #options: KdcOptions;
  readonly #services: KdcServices;
  readonly #signedIn = new Map<string, Promise<Readonly<Record<string, string>>>>();
  #keytabs = 0;

  constructor(options: KdcOptions, services: KdcServices) {
    this.#options = options;
    this.#services = services;
  }

  async prepare(): Promise<void> {
    const { users = ['alice', 'bob'], services = ['HTTP/localhost'], partners, defaults } = this.#options;
    writeFileSync(this.krb5Config, clientConfigOf(partners ? kdcRealms : [realm], this.#services.port, defaults));
    // Services too: a user may want a ticket before the service has its keytab.
    await this.#services.keytab(services.map(inRealm));
    for (const [at, names] of [users, partners ?? []].entries()) {
      if (names.length === 0) continue;
      const principals = names.map((name) => `${name}@${kdcRealms[at]}`);
      const keytab = await this.#services.keytab(principals);
      writeFileSync(join(this.folder, `${kdcRealms[at]}.users.keytab`), keytab, { mode: 0o600 });
    }
  }

  async keytab(principals: readonly string[]): Promise<string> {
    return this.write(await this.#services.keytab(principals.map(inRealm)));
  }

  write(keytab: Buffer): string {
    this.#keytabs += 1;
    const file = join(this.folder, `service-${this.#keytabs}.keytab`);
    writeFileSync(file, keytab, { mode: 0o600 });
    return file;
  }

  signIn(user: string): Promise<Readonly<Record<string, string>>> {
    const known = this.#signedIn.get(user);
    if (known) return known;
    const { principal, cache, keytab } = this.#placesOf(user);
    const variables = { KRB5_CONFIG: this.krb5Config, KRB5CCNAME: cache };
    const coming = runProgram('/usr/bin/kinit', ['-k', '-t', keytab, '-c', cache, principal], variables);
    const signedIn = coming.then(() => variables);
    this.#signedIn.set(user, signedIn);
    return signedIn;
  }

  token(user: string, { service = 'HTTP@localhost', mutual = true, bare = false }: TokenWish = {}): Promise<string> {
    return this.#services.token({ ...this.#placesOf(user), service, mutual, bare });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #placesOf(user: string): { principal: string; cache: string; keytab: string } {
    const [name = '', of = realm] = user.split('@');
    const cache = `FILE:${join(this.folder, `${name.replaceAll('/', '_')}.${of}.cache`)}`;
    return { principal: `${name}@${of}`, cache, keytab: join(this.folder, `${of}.users.keytab`) };
  }
}

function inRealm(principal: string): string {
  return `${principal}@${realm}`;
}
