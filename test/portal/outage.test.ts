/** A login by an identity provider that is dead, however it is dead: what the browser gets in the end. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { site, siteConfig } from '../support/scenes/site.ts';
import type { Answer, Visitor } from '../support/scenes/visitor.ts';
import { fakePeer } from '../support/servers/fake-ldap.ts';
import { freePort } from '../support/tools/free-port.ts';

/** Each way of being dead: the origin of such a server. */
const dead: Readonly<Record<string, (t: TestContext) => Promise<string>>> = {
  frozen: async (t) => (await fakePeer(t, () => undefined)).url.replace('ldap:', 'http:'),
  closed: async () => `http://127.0.0.1:${await freePort()}`,
  lying: async (t) =>
    (
      await fakePeer(t, (socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<p>no</p>'))
    ).url.replace('ldap:', 'http:'),
};

const pathOf = (answer: Answer): string => {
  const url = new URL(String(answer.headers.location), 'http://gate.invalid');
  return url.pathname + url.search;
};

/** How each kind of provider is gone to, until its server is asked. */
const trips: Readonly<
  Record<string, { options: (origin: string) => object; go: (visitor: Visitor) => Promise<Answer> }>
> = {
  oidc: {
    options: (issuer) => ({ type: 'oidc', issuer, insecureIssuer: true, clientId: 'gatehouse' }),
    go: (visitor) => visitor.open('/_gate/start/sso?return=/app&chosen=1'),
  },
  cas: {
    options: (url) => ({ type: 'cas', url: `${url}/cas` }),
    go: async (visitor) => {
      const away = await visitor.open('/_gate/start/sso?return=/app&chosen=1');
      const service = new URL(new URL(String(away.headers.location)).searchParams.get('service') ?? '');
      return visitor.open(`${service.pathname}${service.search}&ticket=ST-1-made-up`);
    },
  },
};

for (const [type, { options, go }] of Object.entries(trips))
  for (const [how, start] of Object.entries(dead))
    test(`outage: ${type} that is ${how} ends on the login page with 503 and a time to wait, and no word of a password`, async (t) => {
      const sso = { ...options(await start(t)), timeout: '400ms' };
      const { visitor } = await site(t, {
        config: { ...siteConfig('http://127.0.0.1:1'), login: { chain: ['sso', 'local'] }, providers: { sso } },
      });
      const browser = visitor();
      const back = await go(browser);
      assert.equal(back.status, 302);
      const page = await browser.open(pathOf(back));
      assert.deepEqual([page.status, page.headers['retry-after']], [503, '10']);
      assert.match(page.text, /type="password"/, 'local users come in by the same page');
      assert.doesNotMatch(page.text, /was not checked/);
    });

test('outage: where nobody is left who could be asked, the login page is 503 and looks by itself whether they are back', async (t) => {
  const { visitor } = await site(t, {
    config: {
      ...siteConfig('http://127.0.0.1:1'),
      login: { chain: ['directory'] },
      providers: {
        directory: {
          type: 'ldap',
          url: `ldap://127.0.0.1:${await freePort()}`,
          searchBase: 'ou=people,dc=example,dc=com',
          timeout: '400ms',
        },
      },
    },
  });
  const browser = visitor();
  // The circuit breaker opens after some failures; until then the form is offered.
  for (let tries = 0; tries < 10; tries += 1) await browser.signIn('agent1', 'any');
  const page = await browser.open('/_gate/login?return=/desk');
  assert.deepEqual([page.status, page.headers['retry-after']], [503, '2']);
  assert.doesNotMatch(page.text, /type="password"/);
  assert.match(page.text, /data-retry="\/_gate\/login\?return=%2Fdesk"/);
});
