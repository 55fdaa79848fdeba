/**
 * A process of its own for memory: by how much it grows with so many logins under way, or how large it is beside a store with so
 * many enrolments. Prints two numbers of bytes: what is alive, and the resident set, in which the dust of a burst stays.
 */
import { accountNamed } from '../src/core/account.ts';
import { type Clock, systemClock } from '../src/core/clock.ts';
import { HeaderLines } from '../src/core/request-head.ts';
import type { Store } from '../src/core/store.ts';
import { Enrolments } from '../src/factors/enrolments.ts';
import { Browsers } from '../src/login/browser.ts';
import { LoginsUnderWay } from '../src/login/logins-under-way.ts';
import { PendingLogins } from '../src/sessions/pending.ts';
import { Sessions } from '../src/sessions/sessions.ts';
import { createStore, storeOptions } from '../src/store/index.ts';
import { quiet } from './contenders/sessions.ts';

/** What is kept. */
export type FactorLoad = 'pending' | 'enrolments' | 'reading';

const publicUrl = new URL('https://cc.example.com');

/** Adds so many, beginning with one number. */
type Add = (from: number, count: number) => Promise<void>;

/** Logins that wait for their factor, of browsers at as many addresses as a site has. */
async function pending(store: Store, clock: Clock): Promise<Add> {
  const browsers = await Browsers.open(store, publicUrl);
  const pendings = new PendingLogins({ store, clock, publicUrl, lifetime: 600_000 });
  const sessions = new Sessions({ store, clock, log: quiet, idle: 3_600_000, lifetime: 7_200_000 });
  const logins = new LoginsUnderWay({ clock, pendings, browsers, sessions, signIn: { record: () => undefined } });
  const headers = new HeaderLines([]);
  return async (from, count) => {
    for (let index = from; index < from + count; index += 1) {
      const { subject, tenant } = accountNamed(`user${index}`);
      const assertion = { realm: 'directory', subject, amr: ['pwd'], attributes: {} };
      const proofs = [{ step: 'first', by: 'directory', realm: 'directory', amr: ['pwd'], at: clock.now() }] as const;
      const client = { address: `10.0.${index % 200}.1`, scheme: 'https', userAgent: 'bench' } as const;
      const { signal } = new AbortController();
      const context = { headers, client, requestId: 'bench', language: 'en', signal };
      const vouched = { tenant, provider: 'directory', assertion };
      await logins.begin({ returnTo: '/', vouched, proofs }, context);
    }
  };
}

async function enrolments(store: Store, clock: Clock): Promise<Add> {
  const kept = new Enrolments({ store, clock });
  const data = { secret: 'A'.repeat(32), digits: 6, period: 30_000, algorithm: 'SHA1', lastStep: 0 };
  return async (from, count) => {
    for (let index = from; index < from + count; index += 1) {
      const after = { all: [], version: undefined };
      await kept.add(accountNamed(`enrolled${index}`), { factor: 'app', name: '', data, after });
    }
  };
}

/** Reads the enrolments of so many accounts out of a store that another process has filled. */
async function reading(store: Store, clock: Clock): Promise<Add> {
  const kept = new Enrolments({ store, clock });
  return async (from, count) => {
    for (let index = from; index < from + count; index += 1) await kept.of(accountNamed(`enrolled${index}`));
  };
}

const loads: Readonly<Record<FactorLoad, (store: Store, clock: Clock) => Promise<Add>>> = {
  pending,
  enrolments,
  reading,
};

function memory(): readonly [alive: number, resident: number] {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return [heapUsed + external, rss];
}

if (import.meta.main) {
  const [load = 'pending', count = '1000', folder = '.'] = process.argv.slice(2);
  const options = storeOptions.parse({ type: 'embedded', path: folder });
  const store = await createStore(options, { clock: systemClock, log: quiet, forgetSealed: false });
  const add = await loads[load as FactorLoad](store, systemClock);
  // As many before as fill what grows once: compiled code, the cache of the database.
  const first = Math.ceil(Number(count) / 4);
  await add(0, first);
  const [alive, resident] = load === 'reading' ? [0, 0] : memory();
  await add(first, Number(count));
  const [aliveThen, residentThen] = memory();
  console.log(aliveThen - alive, residentThen - resident);
  process.exit(0);
}
