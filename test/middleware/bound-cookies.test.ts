/** Cookies of an application that has the gateway inside it: bound to whoever is signed in, in whichever way it sets them. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { requireRole } from '../../src/middleware/middleware.ts';
import { seenBy, startApp } from '../support/scenes/app.ts';
import { passwords } from '../support/scenes/site.ts';

const ways: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
  header: (response) => response.setHeader('Set-Cookie', 'sid=1; HttpOnly').end(),
  list: (response) => response.setHeader('set-cookie', ['a=1', 'sid=1; HttpOnly']).end(),
  head: (response) => response.writeHead(200, { 'SET-COOKIE': 'sid=1; HttpOnly' }).end(),
  phrase: (response) => response.writeHead(200, 'Fine', { 'set-cookie': ['sid=1; HttpOnly'] }).end(),
  turns: (response) => response.writeHead(200, ['X-Y', 'z', 'Set-Cookie', 'sid=1; HttpOnly']).end(),
  late: (response) => {
    // As session libraries do: at the last moment.
    const before = response.writeHead.bind(response);
    response.writeHead = ((status: number) => {
      response.appendHeader('set-cookie', 'sid=1; HttpOnly');
      return before(status);
    }) as typeof response.writeHead;
    response.end('late');
  },
};

test('bound cookies: in an application, in whichever way it sets them, and another user never brings them (9 B17)', async (t) => {
  const app = await startApp(t, {
    build: (express, guard) => {
      express.use(guard);
      express.get('/ways/:way', (request, response) => void ways[request.params.way]?.(response));
      express.use((request, response) => void response.cookie('res', '2', { httpOnly: true }).json(seenBy(request)));
    },
  });
  const browser = app.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  for (const way of Object.keys(ways)) {
    browser.cookies.delete('sid');
    await browser.fetch(`/ways/${way}`);
    assert.match(browser.cookies.get('sid') ?? '', /^1~[\w-]{16}$/, way);
  }
  const seen = JSON.parse((await browser.fetch('/x')).text);
  assert.equal(seen.headers.cookie, 'a=1; sid=1');
  assert.match(browser.cookies.get('res') ?? '', /^2~/);
  assert.match(browser.cookies.get('gatehouse') ?? '', /^[\w-]{43}$/, 'ours are left alone');

  const other = app.visitor();
  await other.mustSignIn('supervisor1', passwords.supervisor1);
  other.cookies.set('sid', browser.cookies.get('sid') ?? '');
  const answer = await other.fetch('/x');
  assert.equal(JSON.parse(answer.text).headers.cookie, undefined);
  assert.ok([answer.headers['set-cookie']].flat().some((line) => line?.startsWith('sid=; Path=/ways; Max-Age=0')));
});

test('bound cookies: an application’s own demand leaves what an open location sets as it is (9 B17)', async (t) => {
  const app = await startApp(t, {
    build: (express, guard) => {
      express.use(guard);
      express.get('/public/desk', requireRole('agent'), (request, response) => {
        response.cookie('sid', '1', { httpOnly: true, path: '/' }).json(seenBy(request));
      });
      express.use((request, response) => void response.json(seenBy(request)));
    },
  });
  const browser = app.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const seen = JSON.parse((await browser.fetch('/public/desk')).text);
  assert.equal(seen.principal.subject, 'agent1');
  assert.equal(browser.cookies.get('sid'), '1');
});
