/** Local accounts while the directory before them is dead, however it is dead. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { passwords, site, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { directoryWith, manager } from '../support/servers/fake-directory.ts';
import { fakeLdap, fakePeer, result } from '../support/servers/fake-ldap.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';

const crowd = 500;
/** Beside other files the machine is not the crowd's alone: two seconds count on a quiet one, in `npm run bench outage`. */
const within = Number(process.env.LOCAL_LOGIN_WITHIN_MS ?? 12_000);

/** Each way of being dead: the address of such a directory. */
const dead: Readonly<Record<string, (t: TestContext) => Promise<string>>> = {
  frozen: async (t) => (await fakePeer(t, () => undefined)).url,
  closed: async () => `ldap://127.0.0.1:${await freePort()}`,
  lying: async (t) => (await fakePeer(t, (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\n'))).url,
};

/** What a form needs of the page, fetched before the crowd comes. */
async function atTheForm(visitor: Visitor) {
  const fields = hiddenFields((await visitor.open('/_gate/login')).text);
  return async (username: string, password: string, address: string) => {
    const start = performance.now();
    const form = { ...fields, username, password };
    const { status } = await visitor.post('/_gate/login', form, { 'x-forwarded-for': address });
    return { status, took: performance.now() - start };
  };
}

for (const [how, address] of Object.entries(dead))
  test(`login: with a directory that is ${how} local accounts come in while a crowd tries`, async (t) => {
    const directory = { type: 'ldap', url: await address(t), searchBase: 'dc=example,dc=com', timeout: '300ms' };
    const { visitor } = await site(t, {
      config: {
        ...siteConfig('http://127.0.0.1:1'),
        server: { trustedProxies: ['127.0.0.1'] },
        login: { chain: ['directory', 'local'], breaker: { cooldown: '1m' } },
        providers: { directory },
      },
    });
    const post = await atTheForm(visitor());
    for (let failure = 0; failure < 3; failure++) assert.equal((await post('nobody', 'wrong', '10.0.0.1')).status, 503);
    const locals = await Promise.all([visitor(), visitor(), visitor()].map(atTheForm));
    const others = Array.from({ length: crowd }, (_, n) => post(`user${n}`, 'wrong', `10.1.${n >> 7}.${n & 127}`));
    const [one, two, three] = locals;
    const came = await Promise.all([
      one!('agent1', passwords.agent1, '10.2.0.1'),
      two!('supervisor1', passwords.supervisor1, '10.2.0.2'),
      three!('agent1', passwords.agent1, '10.2.0.3'),
    ]);
    assert.deepEqual(new Set((await Promise.all(others)).map(({ status }) => status)), new Set([503]));
    for (const { status, took } of came) {
      assert.equal(status, 303);
      assert.ok(took < within, `in after ${took} ms`);
    }
    t.diagnostic(`in after ${came.map(({ took }) => Math.round(took)).join(', ')} ms`);
  });

for (const how of ['frozen', 'closed', 'lying'] as const)
  test(`login: a directory that was ${how} is back within five seconds of its return, and costs nobody a login`, async (t) => {
    const port = await freePort();
    let isBack = false;
    const answer = directoryWith(({ id, operation }) => (operation === 'bind' ? result(id, 97, 0) : undefined));
    const serve = () =>
      fakeLdap(
        t,
        (request) => {
          if (isBack) return answer(request);
          return how === 'lying' ? Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n') : undefined;
        },
        { port },
      );
    if (how !== 'closed') await serve();
    const directory = {
      type: 'ldap',
      url: `ldap://127.0.0.1:${port}`,
      searchBase: 'dc=example,dc=com',
      timeout: '300ms',
    };
    const { visitor, admin } = await site(t, {
      config: {
        ...siteConfig('http://127.0.0.1:1'),
        login: { chain: ['directory', 'local'] },
        providers: { directory: { ...directory, ...manager } },
      },
    });
    const post = await atTheForm(visitor());
    for (let failure = 0; failure < 3; failure++) assert.equal((await post('alice', 'right', '')).status, 503);
    const state = async () => {
      const { body } = await request(new URL('/health/ready', admin));
      return ((await body.json()) as { providers: Record<string, { state: string }> }).providers.directory?.state;
    };
    assert.equal(await state(), 'down');
    const returned = performance.now();
    isBack = true;
    if (how === 'closed') await serve();
    await until('it is back', async () => (await state()) !== 'down');
    assert.ok(performance.now() - returned < 5000);
    const came = await Promise.all([visitor(), visitor(), visitor()].map(atTheForm));
    for (const { status } of await Promise.all(came.map((send) => send('alice', 'right', ''))))
      assert.equal(status, 303);
  });
