/** `access: optional`: everybody passes, who has a session with an identity, and no cache takes one visitor's answer for another's. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, staff } from '../support/scenes/site.ts';
import { hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { until } from '../support/tools/poll.ts';

/** An application that says what it wants of caches, in the words of the query. */
async function world(t: TestContext, store: object = { type: 'memory' }) {
  const upstream = await startUpstream(t, {
    answer: (request, response) => {
      const said = new URL(request.url ?? '', 'http://x').searchParams;
      for (const [name, value] of said) response.setHeader(name, value);
      response.end('ok');
    },
  });
  const started = await gateway(t, {
    users: staff,
    config: {
      session: { store },
      roles: { supervisor: { groups: ['supervisors'] } },
      routes: [
        { location: '/', upstream: upstream.origin, access: 'optional', websocket: true },
        { location: '/mine/', upstream: upstream.origin },
        { location: '= /hello', respond: { body: 'hello' }, access: 'optional' },
      ],
    },
  });
  const visitor = () => new Visitor(started.url);
  const signedIn = async () => {
    const agent = visitor();
    await agent.mustSignIn('agent1', passwords.agent1);
    return agent;
  };
  return { ...started, upstream, visitor, signedIn };
}

test('optional: nobody is asked, a session is told, and a stale one is nobody', async (t) => {
  const { upstream, visitor, signedIn } = await world(t);
  const last = (name: string) => upstream.received.at(-1)?.values(name);
  const stranger = await visitor().open('/page', { headers: { 'x-remote-user': 'root', authorization: 'Bearer x' } });
  assert.deepEqual([stranger.status, stranger.headers['www-authenticate']], [200, undefined]);
  assert.deepEqual([last('x-remote-user'), last('x-gatehouse-assertion')], [[], []]);
  assert.deepEqual(last('authorization'), ['Bearer x'], 'a token is the application’s own, as where access is public');
  const agent = await signedIn();
  assert.equal((await agent.fetch('/page')).status, 200);
  assert.deepEqual(last('x-remote-user'), ['agent1']);
  assert.equal(last('x-gatehouse-assertion')?.length, 1);
  assert.equal((await agent.fetch('/hello')).text, 'hello');
  const stale = visitor();
  for (const [name, value] of agent.cookies) stale.cookies.set(name, value);
  const page = await agent.open('/_gate/logout');
  assert.equal((await agent.post('/_gate/logout', hiddenFields(page.text))).status, 200);
  assert.equal((await stale.fetch('/page')).status, 200);
  assert.deepEqual(last('x-remote-user'), []);
});

test('optional: an identified answer is private, and each says that it depends on the cookie', async (t) => {
  const { visitor, signedIn } = await world(t);
  const [agent, stranger] = [await signedIn(), visitor()];
  const rules = async (query: string) => {
    const [known, unknown] = [await agent.fetch(`/p?${query}`), await stranger.fetch(`/p?${query}`)];
    assert.deepEqual(known.headers.vary, unknown.headers.vary);
    return [known.headers['cache-control'], unknown.headers['cache-control'], known.headers.vary];
  };
  const html = 'content-type=text/html';
  assert.deepEqual(await rules(''), ['private', undefined, 'Cookie']);
  assert.deepEqual(await rules(html), ['private, no-cache', undefined, 'Cookie']);
  assert.deepEqual(await rules('cache-control=public,%20max-age=60,%20s-maxage=600&vary=Accept-Encoding'), [
    'private, max-age=60',
    'public, max-age=60, s-maxage=600',
    ['Accept-Encoding', 'Cookie'],
  ]);
  assert.deepEqual(await rules(`${html}&cache-control=no-store`), ['private, no-store', 'no-store', 'Cookie']);
  const known = await agent.fetch('/p?surrogate-control=max-age=9&cdn-cache-control=max-age=9');
  assert.deepEqual([known.headers['surrogate-control'], known.headers['cdn-cache-control']], [undefined, undefined]);
  const elsewhere = await agent.fetch('/mine/p?cache-control=max-age=60');
  assert.deepEqual([elsewhere.headers['cache-control'], elsewhere.headers.vary], ['max-age=60', undefined]);
});

test('optional: a store that cannot be read is 503 to whoever brings a cookie, not somebody else’s answer', async (t) => {
  const folder = await temporaryFolder(t);
  const { upstream, visitor, signedIn } = await world(t, { type: 'embedded', path: folder });
  const agent = await signedIn();
  const database = new DatabaseSync(path.join(folder, 'gatehouse.db'), { timeout: 5000 });
  database.exec('ALTER TABLE entries RENAME TO gone');
  const heard = upstream.received.length;
  assert.equal((await agent.fetch('/page')).status, 503);
  assert.equal(upstream.received.length, heard);
  assert.equal((await visitor().fetch('/page')).status, 200, 'without a cookie there is nobody to look up');
  database.exec('ALTER TABLE gone RENAME TO entries');
  database.close();
  assert.equal((await agent.fetch('/page')).status, 200);
});

test('optional: a WebSocket of nobody stays open, one of somebody ends with the session', async (t) => {
  const { url, upstream, audit, signedIn } = await world(t);
  const open = async (cookie?: string) => {
    const socket = new WebSocket(`ws://${url.host}/live`, {
      headers: { origin: url.origin, ...(cookie && { cookie }) },
    });
    t.after(() => socket.terminate());
    await once(socket, 'open');
    return socket;
  };
  const agent = await signedIn();
  const nobody = await open();
  const somebody = await open(agent.cookieHeader);
  assert.deepEqual(upstream.received.map((one) => one.values('x-remote-user')).slice(-2), [[], ['agent1']]);
  const closed = once(somebody, 'close');
  const page = await agent.open('/_gate/logout');
  await agent.post('/_gate/logout', hiddenFields(page.text));
  await closed;
  const end = await until('the end is on record', () => audit('websocket-end').at(-1));
  assert.deepEqual([end.user, end.reason], ['agent1', 'signed-out']);
  // A sweep of what is open.
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal(nobody.readyState, WebSocket.OPEN);
});
