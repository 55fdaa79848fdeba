/** Logins under way that nobody has to sign in for: what they may fill of the store, and whom that costs something. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { StoreQuota } from '../../src/login/flow-quota.ts';
import type { FlowState } from '../../src/login/flow-state.ts';
import { Flows } from '../../src/login/flows.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const office = '192.0.2.1';
const somebody = '198.51.100.7';
const mebibyte = 1024 * 1024;

function world(t: TestContext) {
  const clock = manualClock(1_700_000_000_000);
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  const flows = new Flows(store, clock);
  const begin = async (address: string, browser = newId(), returnTo = '/desk'): Promise<() => Promise<boolean>> => {
    const id = newId();
    await flows.begin(
      browser,
      id,
      { provider: 'sso', returnTo, state: { nonce: newId(), verifier: newId() } },
      address,
    );
    const name: FlowState = { kind: 'ours', restarts: 0, id, browser, returnTo };
    return async () => (await flows.take(browser, name)) !== undefined;
  };
  const stored = async (prefix: string): Promise<number> => {
    let bytes = 0;
    for await (const { key, value } of store.list(prefix)) bytes += key.length + value.length;
    return bytes;
  };
  return { clock, flows, begin, stored };
}

function newId(): string {
  return randomBytes(16).toString('base64url');
}

test('flows: a site of 2,000 behind one address, each with five tabs, signs in at once', async (t) => {
  const { begin, flows } = world(t);
  const ends: (() => Promise<boolean>)[] = [];
  for (let person = 0; person < 2000; person++) {
    const browser = newId();
    assert.equal(await flows.isLooping(browser, office), false);
    for (let tab = 0; tab < 5; tab++) ends.push(await begin(office, browser, '/desk?queue=support&from=shift'));
  }
  let lost = 0;
  for (const end of ends) if (!(await end())) lost += 1;
  assert.equal(lost, 0);
});

test('flows: an address that begins without end fills so much of the store, and costs nobody else a login', async (t) => {
  const { begin, stored, flows } = world(t);
  const other = await begin(somebody);
  const first = await begin(office);
  const long = `/desk?${'x'.repeat(30_000)}`;
  for (let count = 0; count < 1500; count++) {
    await flows.isLooping(newId(), office);
    await begin(office, newId(), long);
  }
  const last = await begin(office);
  assert.ok((await stored('flow:')) < 18 * mebibyte, `${await stored('flow:')} bytes`);
  assert.ok((await stored('flow-turns:')) < mebibyte);
  assert.deepEqual([await first(), await last(), await other()], [false, true, true]);
});

test('flows: an address gets its room back when logins have ended or are too old', async (t) => {
  const { clock, begin } = world(t);
  const long = `/desk?${'x'.repeat(30_000)}`;
  for (let count = 0; count < 300; count++) assert.equal(await (await begin(office, newId(), long))(), true);
  const early = await begin(office);
  for (let count = 0; count < 500; count++) await begin(office, newId(), long);
  assert.equal(await early(), true);
  clock.advance(11 * 60_000);
  const late = await begin(office);
  for (let count = 0; count < 500; count++) await begin(office, newId(), long);
  assert.equal(await late(), true);
});

test('shares: of many addresses the one that fills most gives way first', () => {
  const shares = new StoreQuota({ ofAddress: 50, ofAll: 100, least: 10 });
  const at = { now: 0, until: 1000 };
  for (const name of ['a', 'b', 'c', 'd', 'e'])
    assert.deepEqual(shares.enter(name, '', `192.0.2.${name.charCodeAt(0)}`, at), []);
  for (let count = 0; count < 5; count++) assert.deepEqual(shares.enter(`f${count}`, '', office, at), []);
  assert.deepEqual(shares.enter('g', '', somebody, at), ['f0']);
  assert.deepEqual(shares.enter('f5', '', office, at), ['f1']);
  assert.deepEqual(shares.enter('h', '', somebody, { now: 2000, until: 3000 }), []);
});
