/** A gateway that starts on a store of an earlier version: sessions go on, are counted and ended, and so do keys and forms. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { earlier, secretsIn, writeEarlierStore } from '../support/scenes/earlier-store.ts';
import { site } from '../support/scenes/site.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

test('earlier store: whoever was signed in stays so, is counted and ended, and keys, forms and kept posts go on', async (t) => {
  const folder = await temporaryFolder(t);
  writeEarlierStore(folder).close();
  const clock = manualClock();
  clock.advance(60_000);
  const started = await site(t, { clock, config: { session: { store: { type: 'embedded', path: folder } } } });
  const cookies = { agent: earlier.agent, supervisor: earlier.supervisor, bob: earlier.bob };
  const browsers = Object.entries(cookies).map(([name, token]) => {
    const browser = started.visitor();
    browser.cookies.set('gatehouse', token);
    return { name, browser };
  });
  for (const { name, browser } of browsers) assert.equal((await browser.fetch('/x')).status, 200, name);
  const named = started.upstream.received.flatMap(({ values }) => values('x-remote-user'));
  assert.deepEqual(named, ['agent1', 'supervisor1', 'bob']);
  assert.match(await (await fetch(new URL('/metrics', started.admin))).text(), /^gatehouse_sessions\S* 3$/m);

  const jwks = JSON.parse((await browsers[0]!.browser.fetch('/_gate/jwks.json')).text);
  assert.deepEqual(
    jwks.keys.map(({ kid }: { kid: string }) => kid),
    [earlier.kid],
  );
  assert.deepEqual(secretsIn(folder), []);

  const open = started.visitor();
  open.cookies.set('gatehouse-flow', earlier.openForm.browser);
  const form = { form: earlier.openForm.token, return: '/x', username: 'agent1', password: 'right-4417-horse' };
  assert.equal((await open.post('/_gate/login', form)).status, 303, 'the page that was open before');

  const keeper = started.visitor();
  keeper.cookies.set('gatehouse-flow', earlier.keptForm.browser);
  const address = `/_gate/replay?id=${earlier.keptForm.id}`;
  await keeper.mustSignIn('agent1', 'right-4417-horse', address);
  const kept = await keeper.open(address);
  assert.match(kept.text, /secret-of-a-kept-form/);

  const ended = await fetch(new URL('/sessions?user=agent1', started.admin), { method: 'DELETE' });
  assert.equal(ended.ok, true);
  const statuses = await Promise.all(browsers.map(async ({ browser }) => (await browser.fetch('/x')).status));
  assert.deepEqual(statuses, [401, 200, 200]);
});
