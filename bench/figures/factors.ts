/** Second factors: the CPU time of an answer beside its page, and the memory of logins under way and of enrolments. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { TOTP } from 'otpauth';
import { type Account, accountNamed } from '../../src/core/account.ts';
import type { AskTerms, Enrolment } from '../../src/core/factor.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import type { Store } from '../../src/core/store.ts';
import { buildFactors } from '../../src/factors/build.ts';
import type { ConfiguredFactor, Factors } from '../../src/factors/factors.ts';
import { factorRulesOptions, factorsOptions } from '../../src/factors/options.ts';
import { Breakers } from '../../src/remote/breakers.ts';
import { createStore, storeOptions } from '../../src/store/index.ts';
import { manualClock } from '../../test/support/tools/manual-clock.ts';
import { SoftwareKey } from '../../test/support/tools/software-key.ts';
import { ownFolder } from '../contenders/contender.ts';
import { quiet } from '../contenders/sessions.ts';
import type { FactorLoad } from '../factor-memory.ts';
import type { Say } from '../measure/compare.ts';
import type { Figure } from '../measure/result.ts';
import { figure, type Measurement } from './figure.ts';

const publicUrl = new URL('https://cc.example.com');
const period = 30_000;
/** Answers that are not counted: until then it is compiled. */
const warmUp = 100;

interface Bench {
  readonly store: Store;
  readonly clock: ReturnType<typeof manualClock>;
  readonly factors: Factors;
}

/** The measurement. */
export const factors: Measurement = {
  name: 'factors',
  title: 'answers to second factors, and the memory of logins under way and of enrolments',
  run: async (ground, { quick }, say) => {
    const folder = ownFolder(ground, 'factors');
    const clock = manualClock(Date.now());
    const options = storeOptions.parse({ type: 'embedded', path: path.join(folder, 'data') });
    const store = await createStore(options, { clock, log: quiet, forgetSealed: false });
    try {
      const bench = { store, clock, factors: factorsOver(store, clock) };
      const answers = quick ? 200 : 2000;
      const [logins, enrolled] = quick ? [1000, 10_000] : [10_000, 100_000];
      return [
        await answersOf('totp', 'a code of an app', totp(bench, answers), say),
        await answersOf('webauthn', 'the answer of a security key', webauthn(bench, answers), say),
        await answersOf('recovery', 'a recovery code', recovery(bench, answers), say),
        await pendingMemory(logins, folder, say),
        await enrolmentMemory(enrolled, folder, say),
      ];
    } finally {
      await store.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    }
  },
};

function factorsOver(store: Store, clock: Bench['clock']): Factors {
  const document = {
    factors: factorsOptions.parse({ app: { type: 'totp' }, key: { type: 'webauthn' }, codes: { type: 'recovery' } }),
    factorRules: factorRulesOptions.parse({}),
    ...{ server: { publicUrl }, pages: { siteName: 'Bench', language: 'en' }, messages: {} },
  };
  const sealer = new Sealer([new SealKey(randomBytes(32))]);
  const parts = { clock, log: quiet, store, sealer, breakers: new Breakers(), onSend: () => undefined };
  return buildFactors(document, parts);
}

/** An answer that is due: made before it is timed. */
type Answer = () => Promise<{ readonly kind: string }>;

/** Times them one by one; only what the gateway does counts. */
async function answersOf(
  name: string,
  title: string,
  make: AsyncIterable<Answer>,
  say: (line: string) => void,
): Promise<Figure> {
  let [used, count, warming] = [0, 0, warmUp];
  for await (const answer of make) {
    const before = process.cpuUsage();
    const { kind } = await answer();
    const { user, system } = process.cpuUsage(before);
    if (kind !== 'verified') throw new Error(`${title} is answered with ${kind}`);
    if (warming-- > 0) continue;
    used += user + system;
    count += 1;
  }
  const milliseconds = used / count / 1000;
  say(`factors: ${title} ${milliseconds.toFixed(3)} ms of CPU`);
  return figure(
    `factor-${name}`,
    `${title}: CPU beside the page`,
    milliseconds,
    'ms',
    `${count} answers, store included`,
  );
}

function factorOf({ factors: all }: Bench, name: string): ConfiguredFactor {
  return all.find(name) ?? fail(`there is no factor ${name}`);
}

function fail(why: string): never {
  throw new Error(why);
}

const signal = () => AbortSignal.timeout(60_000);
const termsOf = (account: Account): AskTerms => ({
  assertion: { realm: 'directory', subject: account.subject, amr: ['pwd'], attributes: {} },
  ...{ provider: 'directory', roles: new Set<string>(), language: 'en', address: '127.0.0.1', signal: signal() },
});

/** Sets a factor up for an account by the answer that is made of its offer. */
async function setUp(
  { factors: all }: Bench,
  factor: ConfiguredFactor,
  account: Account,
  answer: (page: object) => Readonly<Record<string, string>>,
): Promise<Enrolment> {
  const offer = (await all.begin(factor, { account, terms: termsOf(account) })) ?? fail('nothing to set up');
  const fields = new Map(Object.entries(answer(offer.page)));
  const after = await all.enrolments.of(account);
  const done = await all.finish(factor, account, { fields, state: offer.state, signal: signal(), after, name: '' });
  return done.kind === 'enrolled' ? done.enrolment : fail(`a setup ends with ${done.kind}`);
}

async function* totp(bench: Bench, count: number): AsyncGenerator<Answer> {
  const factor = factorOf(bench, 'app');
  const account = accountNamed('totp');
  let app: TOTP | undefined;
  const codeAt = () => app?.generate({ timestamp: bench.clock.now() }) ?? '';
  await setUp(bench, factor, account, (page) => {
    app = new TOTP({ secret: 'secret' in page ? String(page.secret).replaceAll(' ', '') : '' });
    return { code: codeAt() };
  });
  for (let index = 0; index < count; index += 1) {
    bench.clock.advance(period);
    const fields = new Map([['code', codeAt()]]);
    yield () => bench.factors.verify(factor, account, { fields, state: undefined, signal: signal() });
  }
}

async function* webauthn(bench: Bench, count: number): AsyncGenerator<Answer> {
  const factor = factorOf(bench, 'key');
  const account = accountNamed('webauthn');
  const key = new SoftwareKey(publicUrl.origin);
  const optionsOf = (page: object) => ('options' in page ? (page.options as never) : fail('no options'));
  await setUp(bench, factor, account, (page) => ({ answer: key.register(optionsOf(page)) }));
  for (let index = 0; index < count; index += 1) {
    const has = await bench.factors.enrolments.of(account);
    const asked = await bench.factors.ask(factor, { account, terms: termsOf(account) }, has);
    if (asked.kind !== 'asked') fail(`a key is not asked for: ${asked.kind}`);
    const { page, state } = asked.challenge;
    const fields = new Map([['answer', key.answer(optionsOf(page))]]);
    yield () => bench.factors.verify(factor, account, { fields, state, signal: signal() });
  }
}

async function* recovery(bench: Bench, count: number): AsyncGenerator<Answer> {
  const factor = factorOf(bench, 'codes');
  for (let index = 0; index < count / 10; index += 1) {
    const account = accountNamed(`recovery${index}`);
    let codes: readonly string[] = [];
    await setUp(bench, factor, account, (page) => {
      codes = 'codes' in page ? (page.codes as string[]) : [];
      return { kept: 'yes' };
    });
    for (const code of codes) {
      const fields = new Map([['code', code]]);
      yield () => bench.factors.verify(factor, account, { fields, state: undefined, signal: signal() });
    }
  }
}

/** Runs a process of its own; what of it is alive, and its resident set, in megabytes. */
async function measured(load: FactorLoad, count: number, folder: string): Promise<readonly [number, number]> {
  const words = ['--expose-gc', path.join(import.meta.dirname, '../factor-memory.ts'), load, String(count), folder];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  const [alive = Number.NaN, resident = Number.NaN] = stdout.split(' ').map((bytes) => Number(bytes) / 1024 ** 2);
  return [alive, resident];
}

/** By how much a process grows that keeps so many logins under way. */
async function pendingMemory(count: number, folder: string, say: Say): Promise<Figure> {
  const [alive, resident] = await measured('pending', count, path.join(folder, 'pending'));
  const title = `${count.toLocaleString('en')} logins under way`;
  say(`factors: ${title} ${alive.toFixed(1)} MB alive, ${resident.toFixed(1)} MB more resident`);
  const note = `alive after a collection; the resident set grew by ${resident.toFixed(1)} MB meanwhile`;
  return figure('memory-pending', `${title}: memory`, alive, 'MB', note);
}

/** How much larger a process is beside a store with so many enrolments than beside one with few, when it has read as many of them. */
async function enrolmentMemory(count: number, folder: string, say: Say): Promise<Figure> {
  const read = 1000;
  const sizes: number[] = [];
  for (const [name, enrolled] of [
    ['few', read * 2],
    ['many', count],
  ] as const) {
    const own = path.join(folder, name);
    await measured('enrolments', enrolled, own);
    sizes.push((await measured('reading', read, own))[1]);
  }
  const [few = Number.NaN, many = Number.NaN] = sizes;
  const title = `${count.toLocaleString('en')} enrolments`;
  say(`factors: ${title} ${(many - few).toFixed(1)} MB`);
  return figure('memory-enrolments', `${title}: memory`, many - few, 'MB', 'resident set, beside a store with few');
}
