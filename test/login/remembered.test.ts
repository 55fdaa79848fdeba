/** What a directory has to say before a remembered browser counts, or is remembered at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountNamed } from '../../src/core/account.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import { HeaderLines } from '../../src/core/request-head.ts';
import { RememberedBrowsers } from '../../src/login/remembered.ts';
import { KnownBrowsers } from '../../src/sessions/known.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { vouched as said, scripted } from '../support/scenes/scripted-provider.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const alice = accountNamed('alice');
const away: Outcome = { kind: 'unavailable', reason: 'unreachable' };

function world() {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  const publicUrl = new URL('https://cc.example.com');
  const known = new KnownBrowsers({ store, clock, publicUrl, lasts: 3_600_000, perBrowser: 2 });
  const link = scripted('directory', said('alice'));
  const state = { standing: said('alice', { passwordSetAt: 1 }), hasLocked: false, link };
  Object.assign(link.provider, { standing: async () => state.standing });
  const remembered = new RememberedBrowsers({
    ...{ clock, log: keptLog(), known, chain: [link], mustKnow: () => undefined },
    rules: { for: 3_600_000, networks: [], perBrowser: 2 },
    limits: { hasLocked: async () => state.hasLocked },
    recorder: { account: () => undefined },
  });
  const assertion = { realm: 'directory', subject: 'alice', amr: ['pwd'], attributes: {} };
  const vouched = { tenant: 'default', provider: 'directory', assertion };
  let cookie = '';
  const context = () => ({
    ...{ client: { address: '127.0.0.1', scheme: 'https' as const, userAgent: 'x' }, requestId: 'r', language: 'en' },
    ...{ headers: new HeaderLines(['cookie', cookie]), signal: AbortSignal.timeout(10_000) },
  });
  const keep = (lines: readonly string[]) => {
    for (const line of lines) cookie = line.split(';', 1)[0] ?? '';
    return lines.length;
  };
  return { state, known, remembered, vouched, context, keep };
}

async function ticked() {
  const here = world();
  const lines = await here.remembered.remember(here.vouched, here.context());
  assert.match(String(lines), /^__Host-gatehouse-known=.*; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure$/);
  here.keep(lines);
  const recall = async () => {
    const found = await here.remembered.recall(here.vouched, here.context());
    if (found) here.keep(found.cookies);
    return found?.proof.amr;
  };
  return { ...here, recall };
}

test('remembered: by whoever knows the password alone, who says today what was said then', async () => {
  const { state, known, recall } = await ticked();
  assert.deepEqual(await recall(), ['rba']);
  state.standing = away;
  assert.equal(await recall(), undefined, 'nobody can tell');
  assert.equal((await known.of(alice)).length, 1, 'an outage ends nothing');
  state.standing = said('alice', { passwordSetAt: 1 });
  assert.deepEqual(await recall(), ['rba']);
  state.standing = said('alice', { passwordSetAt: 2 });
  assert.equal(await recall(), undefined);
  assert.equal((await known.of(alice)).length, 0);
});

test('remembered: gone, disabled or locked ends it', async () => {
  const ends: readonly Outcome[] = [
    { kind: 'unknown-user' },
    { kind: 'rejected', reason: 'account-disabled' },
    { kind: 'rejected', reason: 'account-locked' },
  ];
  for (const standing of ends) {
    const { state, known, recall, remembered } = await ticked();
    state.standing = standing;
    assert.equal(await recall(), undefined);
    assert.equal((await known.of(alice)).length, 0);
    const heard = await ticked();
    await heard.remembered.heed('other', alice, standing);
    assert.equal((await heard.known.of(alice)).length, 1, 'another provider knows nothing of it');
    await heard.remembered.heed('directory', alice, standing);
    assert.equal((await heard.known.of(alice)).length, 0);
    assert.ok(remembered);
  }
  const { state, recall } = await ticked();
  state.hasLocked = true;
  assert.equal(await recall(), undefined);
  state.hasLocked = false;
  assert.equal(await recall(), undefined, 'it is over, not only out of use');
});

test('remembered: where nobody can say how the password stands, nothing is', async () => {
  const here = world();
  here.state.standing = away;
  assert.deepEqual(await here.remembered.remember(here.vouched, here.context()), []);
  here.state.standing = said('alice');
  assert.equal(here.keep(await here.remembered.remember(here.vouched, here.context())), 1);
  here.state.standing = said('alice', { passwordSetAt: 5 });
  assert.equal(await here.remembered.recall(here.vouched, here.context()), undefined, 'the first that was ever told');
});

test('remembered: what stands in the store cannot be made into the cookie', async () => {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  const known = new KnownBrowsers({ store, clock, publicUrl: new URL('http://x.test'), lasts: 1000, perBrowser: 2 });
  const [line = ''] = await known.remember(alice, { address: '', userAgent: '' }, []);
  const parts = /=([\w-]{22})\.([\w-]{22});/.exec(line)?.slice(1) ?? [];
  assert.equal(parts.length, 2);
  for await (const { key, value } of store.list('known'))
    for (const part of parts) assert.ok(!`${key}${value}`.includes(part));
});

test('remembered: what is forgotten while the directory is asked is not there again after its answer', async () => {
  const { state, known, remembered, vouched, context, recall } = await ticked();
  const link = state.link;
  Object.assign(link.provider, {
    standing: async () => {
      await remembered.forget(alice);
      return state.standing;
    },
  });
  assert.equal(await remembered.recall(vouched, context()), undefined);
  assert.deepEqual(await known.of(alice), []);
  assert.equal(await recall(), undefined);
});

test('remembered: a shorter time counts for those too that are remembered', async () => {
  const clock = manualClock();
  const parts = { store: new MemoryStore(clock), clock, publicUrl: new URL('http://x.test'), perBrowser: 2 };
  const [line = ''] = await new KnownBrowsers({ ...parts, lasts: 10_000 }).remember(
    alice,
    { address: '', userAgent: '' },
    [],
  );
  const cookies = [line.split(';', 1)[0] ?? ''];
  const shorter = new KnownBrowsers({ ...parts, lasts: 1000 });
  assert.equal((await shorter.see(alice, cookies)).kind, 'known');
  clock.advance(1000);
  assert.equal((await shorter.see(alice, cookies)).kind, 'unknown');
  assert.deepEqual(await shorter.of(alice), []);
});
