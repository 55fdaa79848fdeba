/** A remembered browser at a real directory: it goes with the password and with the account, whether that shows at a login or at a recheck. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { askGateway } from '../../src/cli/gateway-socket.ts';
import { type Authenticator, followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { gateway } from '../support/scenes/gateway.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { needsSlapd, shareSlapd } from '../support/servers/slapd.ts';
import { personDn } from '../support/servers/slapd-content.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { until } from '../support/tools/poll.ts';

const password = 'right-3391-agent';
const period = 30_000;

async function world(t: TestContext) {
  const person = { uid: 'alice', password, attributes: { objectClass: ['inetOrgPerson', 'extensibleObject'] } };
  const [slapd, upstream] = await Promise.all([shareSlapd(t, { people: [person] }), startUpstream(t)]);
  const { url, managerDn, managerPassword, searchBase } = slapd;
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead };
  const gate = await gateway(t, {
    clock,
    config: {
      login: { chain: ['directory'], level: 2, timeout: '20s', total: '60s' },
      session: { recheck: '1s', store: { type: 'memory' } },
      factors: { app: { type: 'totp' } },
      factorRules: { remember: { for: '30d' } },
      providers: { directory: { type: 'ldap', url, managerDn, managerPassword, searchBase } },
      routes: [{ location: '/', upstream: upstream.origin }],
    },
  });
  const browser = new Visitor(gate.url);
  const setup = await followed(browser, await browser.signIn('alice', password, '/app'));
  const phone = scan(setup);
  await takeStep(browser, setup, { code: phone.at(clock.now()) });
  const ageBy = (time: number): void => {
    ahead += time;
  };
  const dn = personDn('alice', slapd.base);
  const replace = (name: string, value: string): void =>
    slapd.modify(`dn: ${dn}\nchangetype: modify\nreplace: ${name}\n${name}: ${value}\n`);
  return { slapd, gate, replace, phone, clock, ageBy };
}

type World = Awaited<ReturnType<typeof world>>;

/** A browser that alice has ticked. */
async function remembered({ gate, clock, ageBy }: World, phone: Authenticator, typed = password): Promise<Visitor> {
  const browser = new Visitor(gate.url);
  ageBy(period);
  const page = await followed(browser, await browser.signIn('alice', typed, '/app'));
  const done = await takeStep(browser, page, { code: phone.at(clock.now()), remember: 'yes' });
  assert.equal(done.headers.location, '/app', done.text);
  return browser;
}

async function isKnown(browser: Visitor, typed = password): Promise<boolean> {
  for (const name of browser.cookies.keys()) if (name !== 'gatehouse-known') browser.cookies.delete(name);
  const answer = await browser.signIn('alice', typed, '/app');
  assert.equal(answer.status, 303, answer.text);
  return answer.headers.location === '/app';
}

async function countOf({ gate }: World): Promise<number> {
  const socket = `${gate.folder}/admin.sock`;
  const reply = await askGateway(socket, { method: 'GET', target: '/factors?user=alice', timeout: 5000 });
  assert.ok(reply.kind === 'answered' && reply.status === 200);
  return (reply.body as { browsers: unknown[] }).browsers.length;
}

test('remembered: a password that was set in the directory ends it, at the next login', needsSlapd, async (t) => {
  const here = await world(t);
  const { replace, phone } = here;
  const browser = await remembered(here, phone);
  assert.equal(await isKnown(browser), true);
  replace('pwdChangedTime', '20260101000000Z');
  assert.equal(await isKnown(browser), false, 'a directory that has never said when it was set says so now');
  const again = await remembered(here, phone);
  assert.equal(await isKnown(again), true);
  replace('userPassword', 'another-3391');
  replace('pwdChangedTime', '20260201000000Z');
  assert.equal(await isKnown(again, 'another-3391'), false);
  assert.equal(await countOf(here), 0);
});

test('remembered: a recheck that finds another password, or the account disabled, ends it', needsSlapd, async (t) => {
  const here = await world(t);
  const { replace, phone, ageBy } = here;
  for (const [name, value] of [
    ['pwdChangedTime', '20260301000000Z'],
    ['pwdAccountLockedTime', '000001010000Z'],
  ] as const) {
    const browser = await remembered(here, phone);
    assert.equal(await countOf(here), 1);
    replace(name, value);
    ageBy(2000);
    await until(`the recheck has seen ${name}`, async () => {
      await browser.open('/app');
      ageBy(1000);
      return (await countOf(here)) === 0;
    });
  }
});
