/** The chain: which provider is asked, what the answers add up to, and that deadlines hold whatever a provider does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Outcome } from '../../src/core/outcome.ts';
import type { Attempt } from '../../src/core/provider.ts';
import { attemptOne, type ChainLink, lookUpOne, onOptions, runChain } from '../../src/providers/chain.ts';
import { CircuitBreaker } from '../../src/remote/circuit-breaker.ts';
import {
  ambient,
  deaf,
  form as formAttempt,
  type Script,
  type ScriptedLink,
  scripted,
  vouched,
} from '../support/scenes/scripted-provider.ts';
import { collectLog } from '../support/tools/log.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { trials } from '../support/tools/properties.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const unknown: Outcome = { kind: 'unknown-user' };
const wrong: Outcome = { kind: 'rejected', reason: 'bad-password' };
const mustChange: Outcome = { kind: 'rejected', reason: 'password-must-change' };
const down: Outcome = { kind: 'unavailable', reason: 'unreachable' };
const silent: Outcome = { kind: 'challenge', offers: [] };
const form: Outcome = { kind: 'challenge', offers: [{ via: 'form', form: 'password' }] };
const negotiate: Outcome = { kind: 'challenge', offers: [{ via: 'header', value: 'Negotiate' }] };

const run = (links: readonly ChainLink[], attempt: Attempt = formAttempt(), totalTimeout = 15_000) =>
  runChain(links, attempt, { totalTimeout });

test('on: the defaults are those of the design', () => {
  assert.deepEqual(onOptions.parse({}), { unknownUser: 'next', rejected: 'stop', unavailable: 'next' });
  assert.throws(() => onOptions.parse({ rejects: 'next' }));
});

const cases: Record<
  string,
  { says: Outcome[]; on?: Partial<ChainLink['on']>; want: Outcome; by?: string; asked: number }
> = {
  'the first that vouches ends it': { says: [vouched('alice'), wrong], want: vouched('alice'), by: 'p0', asked: 1 },
  'an unknown user is looked for in the next': {
    says: [unknown, vouched('alice')],
    want: vouched('alice'),
    by: 'p1',
    asked: 2,
  },
  'a wrong password is tried nowhere else': { says: [wrong, vouched('alice')], want: wrong, by: 'p0', asked: 1 },
  'a provider that is down is passed over': {
    says: [down, vouched('alice')],
    want: vouched('alice'),
    by: 'p1',
    asked: 2,
  },
  'unknown everywhere is unknown': { says: [unknown, unknown], want: unknown, by: 'p0', asked: 2 },
  'an outage before an unknown user is an outage': { says: [down, unknown], want: down, by: 'p0', asked: 2 },
  'an outage after an unknown user is an outage': { says: [unknown, down], want: down, by: 'p1', asked: 2 },
  'an outage before a wrong password is an outage': { says: [down, wrong], want: down, by: 'p0', asked: 2 },
  'a right password that must change is said also in an outage': {
    says: [down, mustChange],
    want: mustChange,
    by: 'p1',
    asked: 2,
  },
  'not mine is no verdict': { says: [silent, unknown], want: unknown, by: 'p1', asked: 2 },
  'rejected: next asks on': {
    says: [wrong, vouched('alice')],
    on: { rejected: 'next' },
    want: vouched('alice'),
    by: 'p1',
    asked: 2,
  },
  'rejected: next is remembered': { says: [wrong, unknown], on: { rejected: 'next' }, want: wrong, by: 'p0', asked: 2 },
  'rejected: next and then an outage is an outage': {
    says: [wrong, down],
    on: { rejected: 'next' },
    want: down,
    by: 'p1',
    asked: 2,
  },
  'unknownUser: stop asks nobody else': {
    says: [unknown, vouched('alice')],
    on: { unknownUser: 'stop' },
    want: unknown,
    by: 'p0',
    asked: 1,
  },
  'unavailable: stop asks nobody else': {
    says: [down, vouched('alice')],
    on: { unavailable: 'stop' },
    want: down,
    by: 'p0',
    asked: 1,
  },
};

for (const [name, { says, on = {}, want, by, asked }] of Object.entries(cases))
  test(`chain: ${name}`, async () => {
    const links = says.map((outcome, index) => scripted(`p${index}`, outcome, { on }));
    const result = await run(links);
    assert.deepEqual(result.outcome, want);
    assert.equal(result.provider, by);
    assert.deepEqual(
      result.steps.map(({ provider, outcome }) => `${provider} ${outcome}`),
      says.slice(0, asked).map((outcome, index) => `p${index} ${outcome.kind}`),
    );
    assert.equal(links.filter((link) => link.attempts.some(isAlice)).length, asked);
  });

/** Whether a provider was asked about the user who sent the form, or given anything of it. */
function isAlice({ credentials }: Attempt): boolean {
  return credentials?.username === 'alice' || credentials?.password.reveal() === 'right';
}

const known: Readonly<
  Record<string, { on?: Partial<ChainLink['on']>; behind: readonly Outcome[]; want: Outcome['kind'] }>
> = {
  'nobody is away': { behind: [unknown, vouched('nobody')], want: 'rejected' },
  'the next is away': { behind: [down], want: 'unavailable' },
  'one further behind is away': { behind: [unknown, silent, down], want: 'unavailable' },
  'one is away behind one that ends the chain for unknown users': {
    on: { unknownUser: 'stop' },
    behind: [down],
    want: 'rejected',
  },
};
for (const [name, { on = {}, behind, want }] of Object.entries(known))
  test(`chain: after a refused password ${name}: as for an unknown name, and nobody else gets name or password`, async () => {
    const links = (first: Outcome) => [
      scripted('first', first, { on }),
      ...behind.map((outcome, index) => scripted(`p${index}`, outcome)),
    ];
    const forKnown = links(wrong);
    const forUnknown = links(unknown);
    const result = await run(forKnown);
    const other = await run(forUnknown);
    assert.equal(result.outcome.kind, want);
    assert.equal(other.outcome.kind === 'unavailable', want === 'unavailable');
    assert.deepEqual(result.rejection, { provider: 'first', kind: 'rejected', reason: 'bad-password' });
    const [, ...rest] = forKnown;
    assert.equal(
      rest.some((link) => link.attempts.some(isAlice)),
      false,
    );
    const asked = (of: readonly ScriptedLink[]) => of.map(({ attempts }) => attempts.length);
    if (!behind.some(({ kind }) => kind === 'authenticated')) assert.deepEqual(asked(forKnown), asked(forUnknown));
    assert.deepEqual(
      result.steps.map(({ outcome }) => outcome),
      ['rejected', ...(want === 'unavailable' ? ['unavailable'] : [])],
    );
  });

test('chain: who gave the right password is told that it has expired, whoever is away', async () => {
  const links = [scripted('first', { kind: 'rejected', reason: 'password-expired' }), scripted('second', down)];
  const { outcome } = await run(links);
  assert.deepEqual(outcome, { kind: 'rejected', reason: 'password-expired' });
  assert.equal(links[1]?.attempts.length, 0);
});

test('a rejection hidden by an outage is still there to be counted', async () => {
  const { outcome, rejection } = await run([scripted('ldap', down), scripted('local', wrong)]);
  assert.equal(outcome.kind, 'unavailable');
  assert.deepEqual(rejection, { provider: 'local', kind: 'rejected', reason: 'bad-password' });
});

test('an empty chain asks for nothing and vouches for nobody', async () => {
  assert.deepEqual(await run([]), { outcome: { kind: 'challenge', offers: [] }, offers: [], steps: [] });
});

test('offers of all are collected in order, each with who made it', async () => {
  const { outcome, offers, provider } = await run(
    [scripted('kerberos', negotiate), scripted('local', form)],
    ambient(),
  );
  assert.equal(outcome.kind, 'challenge');
  assert.equal(provider, undefined);
  assert.deepEqual(offers, [
    { via: 'header', value: 'Negotiate', provider: 'kerberos' },
    { via: 'form', form: 'password', provider: 'local' },
  ]);
});

test('an outage among offers is told, and the offers stay usable', async () => {
  const { outcome, offers } = await run([scripted('sso', down), scripted('local', form)], ambient());
  assert.deepEqual(outcome, down);
  assert.deepEqual(offers, [{ via: 'form', form: 'password', provider: 'local' }]);
});

test('after a rejected ticket the form is still offered, and nobody else judges the ticket', async () => {
  const greedy: Script = ({ headers }) => Promise.resolve(headers.has('authorization') ? vouched('mallory') : form);
  const links = [scripted('kerberos', { kind: 'rejected', reason: 'clock-skew' }), scripted('local', greedy)];
  const result = await run(links, ambient({ headers: { authorization: 'Negotiate YII', accept: '*/*' } }));
  assert.deepEqual(result.outcome, { kind: 'rejected', reason: 'clock-skew' });
  assert.deepEqual(result.offers, [{ via: 'form', form: 'password', provider: 'local' }]);
  assert.deepEqual(
    result.steps.map(({ provider }) => provider),
    ['kerberos'],
  );
  assert.deepEqual(links[1]?.attempts[0]?.headers.raw, ['accept', '*/*']);
});

test('a handshake under way ends the run with its own offer', async () => {
  const leg: Outcome = { kind: 'continue', offer: { via: 'header', value: 'Negotiate abc' }, state: { leg: 1 } };
  const second = scripted('local', form);
  const { outcome, provider } = await run([scripted('kerberos', leg), second], ambient());
  assert.deepEqual(outcome, leg);
  assert.equal(provider, 'kerberos');
  assert.equal(second.attempts.length, 0);
});

test('only the winner has effects: nothing of those before it is left', async () => {
  const { outcome, offers } = await run([
    scripted('a', negotiate),
    scripted('b', wrong, { on: { rejected: 'next' } }),
    scripted('c', vouched('alice', { headers: { 'x-mutual': 'c' } })),
  ]);
  assert.deepEqual(outcome, vouched('alice', { headers: { 'x-mutual': 'c' } }));
  assert.deepEqual(offers, []);
});

test('each provider is given its own callback address', async () => {
  const sso = scripted('sso', silent);
  await run([sso]);
  assert.equal(sso.attempts[0]?.callbackUrl.href, 'http://gate.test/_gate/callback/sso');
});

test('whatever they answer: authenticated comes only of a vouching provider, and an outage is never a wrong password', async () => {
  const outcome = fc.constantFrom(unknown, wrong, down, silent, form, vouched('alice'));
  const consequence = fc.constantFrom('next' as const, 'stop' as const);
  const on = fc.record({ unknownUser: consequence, rejected: consequence, unavailable: consequence });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(outcome, on), { maxLength: 6 }), async (chain) => {
      const result = await run(chain.map(([says, rule], index) => scripted(`p${index}`, says, { on: rule })));
      const kinds = result.steps.map((step) => step.outcome);
      assert.equal(result.outcome.kind === 'authenticated', kinds.includes('authenticated'));
      if (result.outcome.kind !== 'authenticated')
        assert.equal(result.outcome.kind === 'unavailable', kinds.includes('unavailable'));
      assert.equal(result.rejection !== undefined, kinds.includes('rejected'));
    }),
    trials(),
  );
});

// Deadlines.

test('a provider that pays no heed to its signal is left at its deadline, and the next is asked', async () => {
  const hung = scripted('ldap', deaf, { timeout: 60 });
  const links = [hung, scripted('local', vouched('alice'))];
  const { outcome, steps } = await endsWithin(1000, 'the chain', run(links));
  assert.equal(outcome.kind, 'authenticated');
  assert.deepEqual(steps[0] && { ...steps[0], milliseconds: 0 }, {
    provider: 'ldap',
    outcome: 'unavailable',
    reason: 'timed-out',
    milliseconds: 0,
  });
  assert.ok((steps[0]?.milliseconds ?? 0) >= 55, `took ${steps[0]?.milliseconds} ms`);
  assert.equal(hung.attempts[0]?.signal.aborted, true);
});

test('the deadline aborts the work', async () => {
  let reason: unknown;
  const obedient: Script = ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        reason = signal.reason;
        reject(signal.reason);
      });
    });
  const { outcome } = await run([scripted('ldap', obedient, { timeout: 30 })]);
  assert.deepEqual(outcome, { kind: 'unavailable', reason: 'timed-out' });
  assert.equal(reason instanceof DOMException && reason.name, 'TimeoutError');
});

test('what a provider says after its deadline is dropped, also when it is a failure', async (t) => {
  const unhandled: unknown[] = [];
  const remember = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', remember);
  t.after(() => process.off('unhandledRejection', remember));
  const late = Promise.withResolvers<Outcome>();
  const broken = Promise.withResolvers<Outcome>();
  const result = await run([
    scripted('a', () => late.promise, { timeout: 20 }),
    scripted('b', () => broken.promise, { timeout: 20 }),
  ]);
  late.resolve(vouched('mallory'));
  broken.reject(new Error('too late'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(result.outcome.kind, 'unavailable');
  assert.deepEqual(unhandled, []);
});

test('after the total deadline only providers without a network are asked', async () => {
  const remote = scripted('second', vouched('alice'));
  const links = [scripted('first', deaf), remote, scripted('local', vouched('alice'), { needsNetwork: false })];
  const { provider, steps } = await run(links, formAttempt(), 50);
  assert.equal(provider, 'local');
  assert.deepEqual(
    steps.map(({ reason }) => reason),
    ['timed-out', 'timed-out', undefined],
  );
  assert.equal(remote.attempts.length, 0);
});

test('a provider cut short by the total deadline has not failed for its breaker', async () => {
  const breaker = new CircuitBreaker({ clock: manualClock(), failures: 1 });
  await run([scripted('ldap', deaf, { timeout: 5000, breaker })], formAttempt(), 30);
  assert.deepEqual(breaker.snapshot(), { state: 'closed', failures: 0, isUntried: true });
});

test('when the client has gone nobody else is asked, and nobody is blamed', async () => {
  const client = new AbortController();
  const breaker = new CircuitBreaker({ clock: manualClock(), failures: 1 });
  const second = scripted('local', vouched('alice'));
  const leaving: Script = () => {
    client.abort();
    return deaf();
  };
  const links = [scripted('ldap', leaving, { breaker }), second];
  const { outcome, steps } = await run(links, formAttempt({ signal: client.signal }));
  assert.deepEqual(outcome, { kind: 'unavailable', reason: 'client-gone' });
  assert.equal(steps.length, 1);
  assert.equal(second.attempts.length, 0);
  assert.equal(links[0]?.breaker?.snapshot().failures, 0);
  const again = await run([second], formAttempt({ signal: client.signal }));
  assert.equal(again.outcome.kind, 'unavailable');
  assert.equal(second.attempts.length, 0);
});

// What breaks is unavailable.

const breakages: Record<string, Script> = {
  'a rejected promise': () => Promise.reject(new Error('boom')),
  'a synchronous throw': () => {
    throw new Error('boom');
  },
  'a throw of nothing': () => Promise.reject(undefined),
  'no answer at all': () => undefined,
  'a bare true': () => true,
  'an unknown kind': () => Promise.resolve({ kind: 'ok' }),
  'vouching for nobody': () => Promise.resolve({ kind: 'authenticated' }),
  'vouching for an empty name': () => Promise.resolve(vouched('')),
  'a reason that is no code': () => Promise.resolve({ kind: 'rejected', reason: 'because' }),
  'offers that are none': () => Promise.resolve({ kind: 'challenge', offers: ['Negotiate'] }),
  'a thenable that throws': () => ({
    // biome-ignore lint/suspicious/noThenProperty: the misbehaviour under test.
    get then() {
      throw new Error('boom');
    },
  }),
};

for (const [name, script] of Object.entries(breakages))
  test(`${name} is unavailable, and the next is asked`, async () => {
    const { log, find } = collectLog();
    const links = [scripted('odd', script), scripted('local', unknown)];
    const { outcome, steps } = await runChain(links, formAttempt(), { totalTimeout: 5000, log });
    assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', reason: 'provider-broke' });
    assert.equal(steps.length, 2);
    assert.partialDeepStrictEqual(find('a provider is unavailable'), [
      { provider: 'odd', reason: 'provider-broke', level: 'warn' },
    ]);
  });

test('the cause of a breakage is logged, the password in it is not', async () => {
  const { log, find, assertNoSecrets } = collectLog();
  const leaky: Script = () => Promise.reject(new Error('bind failed: password=hunter2hunter2'));
  await runChain([scripted('ldap', leaky)], formAttempt(), { totalTimeout: 5000, log });
  assert.partialDeepStrictEqual(find('a provider is unavailable'), [{ error: { type: 'Error' } }]);
  assertNoSecrets('hunter2hunter2');
});

// The breaker at work.

test('a hung directory costs three users a deadline, the fourth nothing', async () => {
  const clock = manualClock();
  const hung = scripted('ldap', deaf, { timeout: 150, breaker: new CircuitBreaker({ clock }) });
  const links = [hung, scripted('local', vouched('alice'))];
  await Promise.all([run(links), run(links), run(links)]);
  const { outcome, steps } = await endsWithin(120, 'the fourth', run(links));
  assert.equal(outcome.kind, 'authenticated');
  assert.partialDeepStrictEqual(steps[0], { reason: 'breaker-open', milliseconds: 0 });
  assert.equal(hung.attempts.length, 3);
});

test('of many users at once after the cooldown one tries the directory, and its answer lets all back in', async () => {
  const clock = manualClock();
  let says: Script = deaf;
  const link = scripted('ldap', (attempt) => (typeof says === 'function' ? says(attempt) : Promise.resolve(says)), {
    timeout: 20,
    breaker: new CircuitBreaker({ clock }),
  });
  await Promise.all([run([link]), run([link]), run([link])]);
  clock.advance(10_000);
  says = vouched('alice');
  const results = await Promise.all(Array.from({ length: 10 }, () => run([link])));
  assert.equal(results.filter(({ outcome }) => outcome.kind === 'authenticated').length, 1);
  assert.equal(link.attempts.length, 4);
  assert.equal((await run([link])).outcome.kind, 'authenticated');
});

test('a bare offer says nothing about the directory behind it', async () => {
  const breaker = new CircuitBreaker({ clock: manualClock() });
  let says: Outcome = down;
  const link = scripted('ldap', () => Promise.resolve(says), { breaker });
  for (const next of [down, form, down, form, down]) {
    says = next;
    await run([link]);
  }
  assert.equal(breaker.snapshot().state, 'open');
});

test('a wrong password proves that the directory is well', async () => {
  const breaker = new CircuitBreaker({ clock: manualClock() });
  let says: Outcome = down;
  const link = scripted('ldap', () => Promise.resolve(says), { breaker });
  for (const next of [down, down, wrong, down, down]) {
    says = next;
    await run([link]);
  }
  assert.equal(breaker.snapshot().state, 'closed');
});

// One provider alone.

test('attemptOne keeps one provider to its deadline and its breaker', async () => {
  const breaker = new CircuitBreaker({ clock: manualClock(), failures: 1 });
  const link = scripted('sso', deaf, { timeout: 20, breaker });
  const attempt = formAttempt({ stage: 'callback' });
  assert.partialDeepStrictEqual(await attemptOne(link, attempt), {
    outcome: { kind: 'unavailable', reason: 'timed-out' },
    provider: 'sso',
  });
  assert.partialDeepStrictEqual(await attemptOne(link, attempt), {
    outcome: { kind: 'unavailable', reason: 'breaker-open' },
  });
});

test('lookUpOne keeps a look-up to its deadline; a provider without a directory is misconfigured', async () => {
  const { signal } = new AbortController();
  const plain = scripted('local', unknown);
  assert.deepEqual(await lookUpOne(plain, 'alice', signal), { kind: 'unavailable', reason: 'misconfigured' });
  const hung = { ...plain, timeout: 20, provider: { ...plain.provider, lookUp: deaf } };
  assert.deepEqual(await lookUpOne(hung, 'alice', signal), { kind: 'unavailable', reason: 'timed-out' });
  const ready = { ...plain, provider: { ...plain.provider, lookUp: (name: string) => Promise.resolve(vouched(name)) } };
  assert.deepEqual(await lookUpOne(ready, 'alice', signal), vouched('alice'));
});

test('a finished attempt leaves no listener on the signal of its client', async () => {
  const { signal } = new AbortController();
  const counted = { added: 0, removed: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = ((...given: Parameters<typeof addEventListener>) => {
    counted.added += 1;
    addEventListener.apply(signal, given);
  }) as typeof addEventListener;
  signal.removeEventListener = ((...given: Parameters<typeof removeEventListener>) => {
    counted.removed += 1;
    removeEventListener.apply(signal, given);
  }) as typeof removeEventListener;
  await run([scripted('a', unknown), scripted('b', unknown)], formAttempt({ signal }));
  assert.deepEqual(counted, { added: 2, removed: 2 });
});
