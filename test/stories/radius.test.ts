/** A whole gateway before a real FreeRADIUS: who comes in, what the application hears, and what an outage looks like. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { passwords, site, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { type FreeRadius, needsFreeRadius, startFreeRadius } from '../support/servers/freeradius.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { until } from '../support/tools/poll.ts';

const users = {
  alice: { password: 'alice-2b7f90', reply: ['Filter-Id := "agents"'] },
  agent1: { password: 'another-than-here-1' },
};

/** RADIUS before the local accounts, which it sends on whom it refuses. */
async function gatewayBefore(
  t: TestContext,
  { address, secret }: FreeRadius,
  more: object = {},
  { login = {}, ...rest }: { readonly login?: object; readonly factors?: object } = {},
) {
  const upstream = await startUpstream(t);
  const { routes, roles } = siteConfig(upstream.origin);
  const tokens = {
    type: 'radius',
    servers: address,
    secret,
    timeout: '500ms',
    attributes: { groups: 'Filter-Id' },
    on: { rejected: 'next' },
    ...more,
  };
  const config = { routes, roles, login: { chain: ['tokens', 'local'], ...login }, providers: { tokens }, ...rest };
  return { ...(await site(t, { config })), upstream };
}

async function signIn(visitor: Visitor, username: string, password: string) {
  const fields = hiddenFields((await visitor.open('/_gate/login?return=/home')).text);
  return visitor.post('/_gate/login', { ...fields, username, password });
}

test('radius: who has the right password comes in, with what RADIUS says of them', needsFreeRadius, async (t) => {
  const server = await startFreeRadius(t, { users });
  const { visitor, upstream, audit } = await gatewayBefore(t, server);
  const alice = visitor();
  assert.equal((await signIn(alice, 'ALICE', users.alice.password)).status, 401, 'FreeRADIUS tells letters apart');
  assert.equal((await signIn(alice, 'alice', users.alice.password)).status, 303);
  await alice.open('/home');
  const seen = upstream.received.at(-1);
  const names = ['x-remote-user', 'x-remote-groups', 'x-remote-roles', 'x-remote-provider'];
  assert.deepEqual(
    names.map((name) => seen?.values(name).join()),
    ['alice', 'agents', 'agent', 'tokens'],
  );
  assert.equal((await signIn(visitor(), 'alice', 'wrong')).status, 401);
  assert.equal(audit('login').at(-1)?.reason, 'bad-password');
  assert.equal((await signIn(visitor(), 'agent1', passwords.agent1)).status, 303, 'the local account behind it');
});

test(
  'radius: a frozen server is an outage and counts against nobody, local accounts come in, and it is back by itself',
  needsFreeRadius,
  async (t) => {
    const server = await startFreeRadius(t, { users });
    const { visitor, admin, lines, audit } = await gatewayBefore(t, server);
    server.pause();
    for (let failure = 0; failure < 6; failure++) {
      const { status, text } = await signIn(visitor(), 'alice', users.alice.password);
      assert.equal(status, 503);
      assert.ok(!text.includes('wrong'), 'nobody is told of a wrong password');
    }
    assert.equal((await signIn(visitor(), 'agent1', passwords.agent1)).status, 303);
    const state = async () => {
      const { body } = await request(new URL('/health/ready', admin));
      return ((await body.json()) as { providers: Record<string, { state: string }> }).providers.tokens?.state;
    };
    assert.equal(await state(), 'down');
    const metrics = await (await request(new URL('/metrics', admin))).body.text();
    assert.match(metrics, /gatehouse_breaker_state\{provider="tokens"\} 2/);
    server.resume();
    await until('it is back', async () => (await state()) !== 'down');
    assert.equal((await signIn(visitor(), 'alice', users.alice.password)).status, 303, 'six outages lock nobody');
    const said = audit('login').map(({ reason }) => reason);
    assert.ok(said.includes('timed-out') && said.includes('breaker-open'), said.join());
    const log = lines.join('\n');
    for (const secret of [server.secret, users.alice.password]) assert.ok(!log.includes(secret));
  },
);

test('2F10: who comes by RADIUS meets the factor, and has nothing before it', needsFreeRadius, async (t) => {
  const server = await startFreeRadius(t, { users });
  const more = { login: { level: 2 }, factors: { app: { type: 'totp' } } };
  const { visitor, upstream } = await gatewayBefore(t, server, {}, more);
  const [first, second] = [visitor(), visitor()];
  const setup = await followed(first, await signIn(first, 'alice', users.alice.password));
  const phone = scan(setup);
  assert.equal((await takeStep(first, setup, { code: phone.at(Date.now()) })).headers.location, '/home');
  assert.equal((await first.open('/home')).status, 200);
  const seen = upstream.received.at(-1);
  assert.deepEqual(
    ['x-remote-user', 'x-remote-provider', 'x-remote-level'].map((name) => seen?.values(name).join()),
    ['alice', 'tokens', '2'],
  );
  const before = upstream.received.length;
  const asked = await signIn(second, 'alice', users.alice.password);
  assert.match(String(asked.headers.location), /^\/_gate\/factor\?login=/);
  assert.equal(second.cookies.has('gatehouse'), false);
  assert.equal((await second.fetch('/home')).status, 401);
  assert.equal(upstream.received.length, before);
});
