/** Logins: by form at a directory and at local accounts, and by Kerberos; beside Apache's modules, which log in anew with each request. */
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { Visitor } from '../../test/support/scenes/visitor.ts';
import { startKdc } from '../../test/support/servers/kdc.ts';
import { startSlapd } from '../../test/support/servers/slapd.ts';
import { gssapiEachTime, ldapUncached } from '../contenders/apache-logins.ts';
import { ownFolder } from '../contenders/contender.ts';
import { gatehouse } from '../contenders/gatehouse.ts';
import { localUsers } from '../contenders/local-users.ts';
import { Scope } from '../contenders/scope.ts';
import { cpuSeconds } from '../machine/processes.ts';
import type { PinnedGround, Say } from '../measure/compare.ts';
import type { Figure } from '../measure/result.ts';
import { ldapLogin } from '../shift/ground.ts';
import { figure, type Measurement } from './figure.ts';

/** So many at once. */
const atOnce = 16;

/** Somebody who can log in as often as one likes, by number; throws where it fails. */
interface Door {
  readonly name: string;
  readonly title: string;
  readonly roots: readonly number[];
  readonly logIn: (index: number) => Promise<void>;
  /** Fewer where each is dear. */
  readonly count: number;
}

/** The measurement. */
export const logins: Measurement = {
  name: 'logins',
  title: 'logins on one core',
  run: async (ground, { quick }, say) => {
    const figures: Figure[] = [];
    for (const open of [atDirectory, atLocalAccounts, atKerberos]) {
      const scope = new Scope();
      try {
        for (const door of await open(scope, { ...ground, folder: ownFolder(ground, `logins-${open.name}`) }))
          figures.push(...(await time({ ...door, count: quick ? Math.min(100, door.count) : door.count }, say)));
      } finally {
        await scope.end();
      }
    }
    return figures;
  },
};

async function time({ name, title, roots, logIn, count }: Door, say: Say): Promise<Figure[]> {
  let next = 0;
  const work = async (until: number): Promise<void> => {
    while (next < until) await logIn(next++);
  };
  const crowd = (until: number): Promise<unknown> => Promise.all(Array.from({ length: atOnce }, () => work(until)));
  await crowd(Math.floor(count / 3));
  await delay(200);
  const [from, cpu, startedAt] = [next, cpuSeconds(roots), performance.now()];
  await crowd(count);
  const [done, used, took] = [next - from, cpuSeconds(roots) - cpu, (performance.now() - startedAt) / 1000];
  say(`logins: ${name} ${Math.round(done / took)}/s, ${((used / done) * 1000).toFixed(2)} ms of CPU each`);
  const note = `${((used / done) * 1000).toFixed(2)} ms of CPU each; ${Math.round(done / took)}/s came through, ${atOnce} at once`;
  return [figure(`logins-${name}`, `${title}: logins by a second of CPU`, done / used, '/s', note)];
}

async function atDirectory(scope: Scope, ground: PinnedGround): Promise<Door[]> {
  const slapd = await startSlapd(scope.context, { many: 500 });
  const gateway = await gatehouse(
    { ...ground, users: 0 },
    { name: 'gatehouse', title: 'Gatehouse', more: ldapLogin(slapd) },
  );
  scope.after(gateway.end);
  const apache = await ldapUncached(scope, ground, slapd);
  const person = (index: number) => {
    const number = String((index % 500) + 1).padStart(4, '0');
    return { name: `user${number}`, password: `pass-${number}` };
  };
  return [
    {
      name: 'ldap',
      title: 'Gatehouse, form and LDAP',
      roots: gateway.roots,
      count: 3000,
      logIn: form(scope, gateway.url, person),
    },
    {
      name: 'ldap-apache',
      title: 'Apache, mod_authnz_ldap without its cache',
      roots: apache.roots,
      count: 3000,
      logIn: (index) => apache.logIn(person(index)),
    },
  ];
}

async function atLocalAccounts(scope: Scope, ground: PinnedGround): Promise<Door[]> {
  const people = Array.from({ length: 8 }, (_, index) => ({
    name: `local${index}`,
    password: `a-long-password-${index}`,
  }));
  const providers = { local: { type: 'local', users: await localUsers(ground.folder, people) } };
  const more = { providers, login: { chain: ['local'], lockout: { user: 0, address: 0 } } };
  const gateway = await gatehouse({ ...ground, users: 0 }, { name: 'gatehouse', title: 'Gatehouse', more });
  scope.after(gateway.end);
  const person = (index: number) => people[index % people.length] ?? { name: '', password: '' };
  return [
    {
      name: 'local',
      title: 'Gatehouse, form and local account (argon2id)',
      roots: gateway.roots,
      count: 240,
      logIn: form(scope, gateway.url, person),
    },
  ];
}

async function atKerberos(scope: Scope, ground: PinnedGround): Promise<Door[]> {
  const users = Array.from({ length: 20 }, (_, index) => `user${index}`);
  const kdc = await startKdc(scope.context, { users });
  const keytab = await kdc.keytab(['HTTP/localhost']);
  const kerberos = {
    type: 'kerberos',
    principal: 'HTTP/localhost@EXAMPLE.TEST',
    ...{ keytab, krb5Config: kdc.krb5Config, realms: { 'EXAMPLE.TEST': 'strip' } },
  };
  const gateway = await gatehouse(
    { ...ground, users: 0 },
    {
      name: 'gatehouse',
      title: 'Gatehouse',
      routes: [{ location: '/', upstream: `http://127.0.0.1:${ground.upstream}` }],
      more: { providers: { kerberos }, login: { chain: ['kerberos'], lockout: { user: 0, address: 0 } } },
    },
  );
  scope.after(gateway.end);
  const apache = await gssapiEachTime(scope, ground, kdc);
  // Each ticket counts once: they are made before.
  const count = 900;
  const tokens = await inTurns(count * 2, (index) => kdc.token(users[index % users.length] ?? ''));
  const bring = (url: string, first: number) => {
    const dispatcher = new Agent({ connections: atOnce });
    scope.after(() => dispatcher.destroy());
    return async (index: number): Promise<void> => {
      const visitor = new Visitor(new URL(url), dispatcher);
      const { status } = await visitor.open('/page', {
        headers: { authorization: `Negotiate ${tokens[first + index]}` },
      });
      if (status !== 200) throw new Error(`a ticket is answered with ${status}`);
    };
  };
  return [
    { name: 'spnego', title: 'Gatehouse, SPNEGO', roots: gateway.roots, count, logIn: bring(gateway.url, 0) },
    {
      name: 'spnego-apache',
      title: 'Apache, mod_auth_gssapi without sessions',
      roots: apache.roots,
      count,
      logIn: bring(apache.url, count),
    },
  ];
}

async function inTurns<Value>(count: number, make: (index: number) => Promise<Value>): Promise<Value[]> {
  const made: Value[] = [];
  for (let index = 0; index < count; index += 1) made.push(await make(index));
  return made;
}

/** The login page, and its form. */
function form(scope: Scope, url: string, person: (index: number) => { name: string; password: string }) {
  const dispatcher = new Agent({ connections: atOnce });
  scope.after(() => dispatcher.destroy());
  return async (index: number): Promise<void> => {
    const { name, password } = person(index);
    await new Visitor(new URL(url), dispatcher).mustSignIn(name, password);
  };
}
