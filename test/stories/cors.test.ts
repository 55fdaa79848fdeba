/** A page of another origin in a real browser: what its scripts may send and read, signed in and not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, staff } from '../support/scenes/site.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { startUpstream } from '../support/servers/upstream.ts';

/** What a script finds out about an answer. */
interface Read {
  readonly status?: number;
  readonly text?: string;
  readonly total?: string | null;
  readonly failed?: string;
}

const fetchFrom = (page: Page, url: string, method: string, type: string): Promise<Read> =>
  page.evaluate(
    async ([address = '', verb = '', contentType = '']) => {
      try {
        const body = verb === 'GET' ? undefined : '{}';
        const headers = verb === 'GET' ? {} : { 'content-type': contentType };
        const response = await fetch(address, { method: verb, headers, credentials: 'include', ...(body && { body }) });
        return { status: response.status, text: await response.text(), total: response.headers.get('x-total') };
      } catch (error) {
        return { failed: String(error) };
      }
    },
    [url, method, type],
  );

test('cors: a browser lets a listed page act for its user, and tells it of a 401; to another page it tells nothing', {
  skip: withoutChromium,
}, async (t) => {
  const application = await startUpstream(t, {
    answer: (request, response) => {
      response.setHeader('X-Total', '3');
      response.end(`${request.method} by ${request.headers['x-remote-user']}`);
    },
  });
  // Ports are origins of one site: cookies go along, as between hosts of one domain.
  const [desk, stranger] = [await startUpstream(t), await startUpstream(t)];
  const site = await gateway(t, {
    users: staff,
    config: {
      roles: {},
      routes: [
        {
          location: '/crm/',
          upstream: application.origin,
          cors: {
            origins: [desk.origin],
            methods: ['GET', 'PATCH'],
            headers: ['Content-Type'],
            exposeHeaders: ['X-Total'],
            credentials: true,
          },
        },
      ],
    },
  });
  const browser = await shareChromium(t);
  const context = await browser.newContext();
  const [own, other] = [await context.newPage(), await context.newPage()];
  await own.goto(desk.origin);
  await other.goto(stranger.origin);
  const url = new URL('/crm/x', site.url).href;
  const json = 'application/json';

  const nobody = await fetchFrom(own, url, 'PATCH', json);
  assert.equal(nobody.status, 401);
  assert.match(nobody.text ?? '', /"login":"\/_gate\/login/);
  assert.match((await fetchFrom(other, url, 'GET', json)).failed ?? '', /Failed to fetch/);

  const login = await context.newPage();
  await login.goto(new URL('/_gate/login?return=%2Fcrm%2Fx', site.url).href);
  await login.fill('[name=username]', 'agent1');
  await login.fill('[name=password]', passwords.agent1);
  await Promise.all([login.waitForURL('**/crm/x'), login.press('[name=password]', 'Enter')]);

  assert.deepEqual(await fetchFrom(own, url, 'PATCH', json), { status: 200, text: 'PATCH by agent1', total: '3' });
  assert.deepEqual(await fetchFrom(own, url, 'GET', json), { status: 200, text: 'GET by agent1', total: '3' });
  assert.match(
    (await fetchFrom(own, url, 'DELETE', json)).failed ?? '',
    /Failed to fetch/,
    'a method that is not listed',
  );
  const heard = application.received.length;
  assert.match((await fetchFrom(other, url, 'PATCH', json)).failed ?? '', /Failed to fetch/);
  assert.equal(application.received.length, heard, 'nothing was sent');
});
