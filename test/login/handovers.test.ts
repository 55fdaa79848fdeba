/** Hand-overs as they are kept: what binds them to a browser, what is stored of them, and what of a flood. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderLines } from '../../src/core/request-head.ts';
import { Handovers } from '../../src/login/handovers.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const wish = { host: 'desk.example', returnTo: '/x' };
const address = '192.0.2.7';
const none = new HeaderLines([]);

function world(publicUrl: string) {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  return { clock, store, handovers: new Handovers({ store, clock, publicUrl: new URL(publicUrl) }) };
}

const pairOf = (cookie = ''): string => cookie.split(';', 1)[0] ?? '';

test('hand-overs: over https the cookie is bound to its host, and out of the reach of scripts and siblings', async () => {
  const { handovers } = world('https://sso.test');
  const { nonce, cookies } = await handovers.begin(wish, none, address);
  assert.equal(cookies.length, 1);
  const form = `^__Host-gatehouse-handover-${nonce.slice(0, 8)}=[\\w-]{22}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure$`;
  assert.match(cookies[0] ?? '', new RegExp(form));
});

test('hand-overs: neither the cookie nor the code stands in the store', async () => {
  const { handovers, store } = world('https://sso.test');
  const { nonce, cookies } = await handovers.begin(wish, none, address);
  const code = await handovers.issue(nonce, wish, 'a-session');
  const stored = JSON.stringify(await Array.fromAsync(store.list('')));
  for (const secret of [code, pairOf(cookies[0]).split('=')[1] ?? ''])
    assert.ok(secret.length > 20 && !stored.includes(secret));
});

test('hand-overs: one that is taken is over for every other code of its nonce, and its cookie goes', async () => {
  const { handovers, store } = world('https://sso.test');
  const { nonce, cookies } = await handovers.begin(wish, none, address);
  const [first, second] = [await handovers.issue(nonce, wish, 'one'), await handovers.issue(nonce, wish, 'two')];
  const lines = new HeaderLines(['Cookie', pairOf(cookies[0])]);
  const redeemed = await handovers.redeem(first, 'desk.example', lines);
  assert.ok(redeemed.kind === 'redeemed' && redeemed.session === 'one' && redeemed.returnTo === '/x');
  assert.match(redeemed.cookie, /^__Host-gatehouse-handover-[\w-]{8}=; Path=\/; Max-Age=0;/);
  const again = await handovers.redeem(second, 'desk.example', lines);
  assert.ok(again.kind === 'refused' && again.reason === 'flow-expired');
  assert.deepEqual(await Array.fromAsync(store.list('')), []);
});

test('hand-overs: after an hour, or with words that are none of ours, there is nothing', async () => {
  const { handovers, clock } = world('https://sso.test');
  const { nonce } = await handovers.begin(wish, none, address);
  assert.equal((await handovers.find(nonce))?.returnTo, '/x');
  for (const odd of [undefined, '', 'x', `${nonce} `, `${nonce}:`, '../../../../../etc/passwd'])
    assert.equal(await handovers.find(odd), undefined);
  for (const odd of [undefined, '', nonce, 'A'.repeat(43)])
    assert.equal((await handovers.redeem(odd, 'desk.example', none)).kind, 'refused');
  clock.advance(3600_000);
  assert.equal(await handovers.find(nonce), undefined);
});

test('hand-overs: cookies of abandoned ones are removed before they fill a request', async () => {
  const { handovers } = world('http://sso.test');
  const kept: string[] = ['theme=dark'];
  for (let count = 0; count < 12; count += 1)
    kept.push(pairOf((await handovers.begin(wish, new HeaderLines(['Cookie', kept.join('; ')]), address)).cookies[0]));
  const { cookies } = await handovers.begin(wish, new HeaderLines(['Cookie', kept.join('; ')]), address);
  assert.equal(cookies.length, 13);
  assert.ok(cookies.slice(1).every((cookie) => /^gatehouse-handover-[\w-]{8}=; .*Max-Age=0/.test(cookie)));
});

test('hand-overs: who begins very many loses the oldest of their own', async () => {
  const { handovers, store } = world('http://sso.test');
  const returnTo = `/${'x'.repeat(60_000)}`;
  const mine = await handovers.begin(wish, none, '198.51.100.1');
  for (let count = 0; count < 300; count += 1) await handovers.begin({ ...wish, returnTo }, none, address);
  const kept = await Array.fromAsync(store.list('handover:'));
  assert.ok(kept.length < 290, String(kept.length));
  assert.ok(await handovers.find(mine.nonce), 'and nobody else does');
});

test('hand-overs: workers share the room of an address', async () => {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  const one = new Handovers({ store, clock, publicUrl: new URL('https://sso.test'), workers: 64 });
  // Of 16 MiB, and half a KiB for each at least.
  const room = (16 * 1024 * 1024) / 64 / 512;
  for (let count = 0; count < room + 40; count += 1) await one.begin(wish, none, address);
  assert.equal((await Array.fromAsync(store.list('handover:'))).length, room);
});
