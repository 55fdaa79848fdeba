/** What holds for every provider holds for CAS against a real server; and what only a real server can show of TLS and proxies. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import type { ProbeStep, Provider } from '../../src/core/provider.ts';
import { type ProviderUnderTest, providerContract } from '../contract/provider.ts';
import { backWith, callbackAttempt, casProvider, leave } from '../support/scenes/cas-provider.ts';
import type { CasBrowser } from '../support/servers/cas-browser.ts';
import { needsCas, shareCas, startCas } from '../support/servers/cas-server.ts';
import { type AttemptParts, attemptOf } from '../support/tools/attempt.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';

const users = [
  { name: 'alice', password: 'alices-4c81', attributes: { displayName: 'Alice Adams', memberOf: ['agents', 'staff'] } },
  { name: 'bob', password: 'bobs-77d2' },
] as const;
const { ca, otherCa } = testCertificates();

/** A login that CAS has vouched for, on its way back. */
async function onTheWayBack(provider: Provider, browser: CasBrowser): Promise<AttemptParts> {
  const journey = await leave(provider);
  const back = await browser.visit(journey.url.href);
  return backWith(journey, { ticket: back?.searchParams.get('ticket') ?? '' });
}

if (needsCas.skip === false)
  providerContract('cas (django-cas-server)', async (t, log): Promise<ProviderUnderTest> => {
    const server = await shareCas(t, { users, tls: true });
    const provider = casProvider(t, { url: server.url, ca }, { log });
    const browsers = [server.browser(), server.browser()] as const;
    await Promise.all(users.map(({ name, password }, i) => browsers[i]?.signIn(name, password)));
    const broken = async (url: string) => {
      const other = casProvider(t, { url, ca, timeout: '400ms' }, { log });
      return { provider: other, timeout: 400, attempt: backWith(await leave(other), { ticket: 'ST-needle' }) };
    };
    return {
      provider,
      subjects: ['alice', 'bob'],
      good: (user) => onTheWayBack(provider, browsers[user]),
      bad: {
        'a ticket that nobody has issued': {
          attempt: async () => backWith(await leave(provider), { ticket: 'ST-needle' }),
          want: { kind: 'rejected', reason: 'ticket-rejected' },
        },
        'a ticket of another login': {
          attempt: async () => {
            const { url } = await onTheWayBack(provider, browsers[0]);
            return backWith(await leave(provider), { ticket: url?.searchParams.get('ticket') ?? '' });
          },
          want: { kind: 'rejected', reason: 'ticket-rejected' },
        },
      },
      secrets: ['needle', ...users.map(({ password }) => password)],
      outages: {
        'nothing listens': async () => broken(`https://127.0.0.1:${await freePort()}/cas`),
        'it was stopped': async () => {
          const own = await startCas(t, { users, tls: true });
          own.pause();
          t.after(() => own.resume());
          return broken(own.url);
        },
      },
    };
  });

test('cas: a server whose CA is not trusted is asked nothing', needsCas, async (t) => {
  const server = await shareCas(t, { users, tls: true });
  const browser = server.browser();
  await browser.signIn('alice', users[0].password);
  const provider = casProvider(t, { url: server.url, ca: otherCa });
  const attempt = await onTheWayBack(provider, browser);
  assert.partialDeepStrictEqual(await provider.attempt(attemptOf(attempt)), {
    kind: 'unavailable',
    reason: 'tls-failed',
  });
  // The ticket is still good: CAS has never seen it.
  const trusting = casProvider(t, { url: server.url, ca });
  assert.equal((await trusting.attempt(attemptOf(attempt))).kind, 'authenticated');
});

test('cas: attributes of CAS 2.0 are those of 3.0 here', needsCas, async (t) => {
  const server = await shareCas(t, { users });
  const browser = server.browser();
  await browser.signIn('alice', users[0].password);
  for (const version of ['2.0', '3.0']) {
    const provider = casProvider(t, { url: server.url, version });
    assert.partialDeepStrictEqual(await provider.attempt(attemptOf(await onTheWayBack(provider, browser))), {
      assertion: { subject: 'alice', attributes: { name: ['Alice Adams'], groups: ['agents', 'staff'] } },
    });
  }
});

test('cas: renew refuses the ticket of a remembered login', needsCas, async (t) => {
  const server = await shareCas(t, { users });
  const browser = server.browser();
  await browser.signIn('alice', users[0].password);
  const provider = casProvider(t, { url: server.url, renew: true });
  const journey = await leave(provider);
  assert.equal(await browser.visit(journey.url.href), undefined, 'CAS asks for the password');
  const remembered = new URL(journey.url);
  remembered.searchParams.delete('renew');
  const cheap = (await browser.visit(remembered.href))?.searchParams.get('ticket') ?? '';
  assert.deepEqual(await provider.attempt(callbackAttempt(journey, cheap)), {
    kind: 'rejected',
    reason: 'ticket-rejected',
  });
  const back = await browser.visitWithPassword(journey.url.href, 'alice', users[0].password);
  const proved = callbackAttempt(journey, back?.searchParams.get('ticket') ?? '');
  assert.equal((await provider.attempt(proved)).kind, 'authenticated');
});

/** A service that acts for users: takes what CAS calls it with, and gets proxy tickets by it. */
async function actingService(t: TestContext, cas: string) {
  const called: URL[] = [];
  const server = createServer((incoming, response) => {
    called.push(new URL(incoming.url ?? '/', 'http://portal.invalid'));
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const read = async (path: string, query: Record<string, string>) =>
    (await request(`${cas}/${path}?${new URLSearchParams(query)}`)).body.text();
  return {
    pgtUrl: `${origin}/pgt`,
    /** A proxy ticket for a service, on behalf of whoever sits at the browser. */
    ticketFor: async (browser: CasBrowser, targetService: string): Promise<string> => {
      const service = `${origin}/app`;
      const back = await browser.visit(`${cas}/login?${new URLSearchParams({ service })}`);
      const ticket = back?.searchParams.get('ticket') ?? '';
      await read('serviceValidate', { service, ticket, pgtUrl: `${origin}/pgt` });
      const pgt = called.map((url) => url.searchParams.get('pgtId')).find((id) => id !== null) ?? '';
      const answer = await read('proxy', { pgt, targetService });
      const found = /<cas:proxyTicket>(PT-[^<]+)</.exec(answer)?.[1];
      assert.ok(found, answer);
      return found;
    },
  };
}

test('cas: a real proxy ticket signs in only where its service is listed', needsCas, async (t) => {
  const server = await shareCas(t, { users });
  const browser = server.browser();
  await browser.signIn('alice', users[0].password);
  const portal = await actingService(t, server.url);
  const come = async (proxy: object) => {
    const provider = casProvider(t, { url: server.url, ...proxy });
    const journey = await leave(provider);
    return provider.attempt(callbackAttempt(journey, await portal.ticketFor(browser, journey.service)));
  };
  const refused = { kind: 'rejected', reason: 'ticket-rejected' };
  assert.deepEqual(await come({}), refused);
  assert.deepEqual(await come({ proxy: { allow: ['https://portal.example.org/pgt'] } }), refused);
  assert.partialDeepStrictEqual(await come({ proxy: { allow: [portal.pgtUrl] } }), {
    kind: 'authenticated',
    assertion: { subject: 'alice' },
  });
});

test(
  'cas: check --connect goes through every step of a real server, and names the one that fails',
  needsCas,
  async (t) => {
    const server = await shareCas(t, { users, tls: true });
    const steps = async (options: object): Promise<ProbeStep[]> => {
      const found: ProbeStep[] = [];
      const provider = casProvider(t, { url: server.url, ...options });
      for await (const step of provider.probe?.(AbortSignal.timeout(60_000)) ?? []) found.push(step);
      return found;
    };
    const well = await steps({ ca });
    const names = ['resolve', 'connect', 'tls', 'login', 'validate', 'p3'];
    assert.deepEqual(
      well.map(({ step, result }) => [step, result]),
      names.map((name) => [name, 'ok']),
    );
    const untrusted = (await steps({ ca: otherCa })).at(-1);
    assert.partialDeepStrictEqual(untrusted, { step: 'tls', result: 'failed' });
    assert.ok(untrusted?.hint);
    const elsewhere = (await steps({ ca, url: server.url.replace('/cas', '/nowhere') })).at(-1);
    assert.partialDeepStrictEqual(elsewhere, { step: 'login', result: 'failed' });
  },
);
