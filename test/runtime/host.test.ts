/** The one life of a gateway, whatever its front is: all or nothing at the start, and at a reload. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import type { Gateway } from '../../src/gateway/build.ts';
import { type Document, documentSchema } from '../../src/gateway/document.ts';
import type { Services } from '../../src/gateway/services.ts';
import { SessionWatch } from '../../src/gateway/session-watch.ts';
import { type Front, Host } from '../../src/runtime/host.ts';

const text = `
login: { chain: [local] }
session: { store: { type: memory } }
providers: { local: { type: local, users: users.yaml } }
routes: [{ location: /, upstream: "http://127.0.0.1:9" }]
`;

function documentOf(more = ''): Document {
  const result = loadConfig({ schema: documentSchema, file: 'gatehouse.yaml', env: {}, text: text + more });
  assert.equal(result.kind, 'ok');
  return result.value;
}

/** A front that takes no requests, and knows which gateway would answer them. */
function silentFront(gateway: Gateway) {
  const state = { present: gateway, drained: 0, isDraining: false };
  const front: Front<Document> & typeof state = Object.assign(state, {
    prepare: async () => ({
      put: (next: Gateway) => {
        state.present = next;
      },
      drop: () => undefined,
    }),
    drain: async () => {
      state.isDraining = true;
      state.drained += 1;
    },
  });
  return front;
}

async function start(t: TestContext, read: () => Document) {
  const lines: string[] = [];
  let shared: Services | undefined;
  const host = await Host.start({
    document: documentOf(),
    read,
    admin: () => undefined,
    open: async (gateway, services) => {
      shared = services;
      return silentFront(gateway);
    },
    output: { write: (line) => lines.push(line) },
  });
  t.after(() => host.stop());
  return { host, lines, services: shared! };
}

test('host: a start that the front stops leaves nothing open', async (t) => {
  const closed = t.mock.method(SessionWatch.prototype, 'close');
  await assert.rejects(
    Host.start({
      document: documentOf(),
      read: () => documentOf(),
      admin: () => undefined,
      open: () => Promise.reject(new Error('no room')),
      output: { write: () => true },
    }),
    /no room/,
  );
  assert.equal(closed.mock.callCount(), 1, 'the gateway that was built is closed');
});

test('host: a gateway that was built for a reload which fails after it is closed, and the one before goes on', async (t) => {
  const { host, lines, services } = await start(t, () => documentOf());
  const shown = t.mock.method(services.metrics, 'countSessionsBy');
  const before = host.gateway;
  t.mock.method(before.sessions, 'flush', () => Promise.reject(new Error('the disk is full')), { times: 1 });
  const closed = t.mock.method(SessionWatch.prototype, 'close');
  const result = await host.reload({ actor: 'signal' });
  assert.deepEqual(result, { kind: 'failed', message: 'the disk is full' });
  assert.deepEqual([host.gateway, host.front.present], [before, before]);
  assert.deepEqual([closed.mock.callCount(), shown.mock.callCount()], [1, 0], 'and it has shown itself nowhere');
  assert.equal((await host.reload({ actor: 'signal' })).kind, 'reloaded');
  assert.equal(shown.mock.callCount(), 1);
  assert.ok(lines.some((line) => line.includes('"reload"') && line.includes('"failed"') && line.includes('"signal"')));
});

test('host: reloads follow one another, and none begins once a stop has', async (t) => {
  const { host } = await start(t, () => documentOf());
  const order: string[] = [];
  const reload = (name: string) =>
    host.reload({ actor: 'signal' }, () => {
      order.push(name);
      return documentOf(`pages: { siteName: ${name} }\n`);
    });
  const results = Promise.all([reload('one'), reload('two')]);
  const stopping = host.stop();
  assert.deepEqual(
    (await results).map(({ kind }) => kind),
    ['failed', 'failed'],
  );
  await stopping;
  assert.deepEqual([order, host.front.drained], [[], 1]);
  assert.equal((await reload('three')).kind, 'failed');
});

test('host: the second of two reloads finds the first in place', async (t) => {
  const { host } = await start(t, () => documentOf());
  const seen: unknown[] = [];
  const reload = (name: string) =>
    host.reload({ actor: 'signal' }, () => {
      seen.push(host.gateway.document.pages.siteName);
      return documentOf(`pages: { siteName: ${name} }\n`);
    });
  await Promise.all([reload('one'), reload('two')]);
  assert.equal(seen.length, 2);
  assert.deepEqual([seen[1], host.gateway.document.pages.siteName], ['one', 'two']);
});
