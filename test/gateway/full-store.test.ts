/** A store that takes nothing any more, while the gateway serves: a full disk, as SQLite reports it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { passwords, site } from '../support/scenes/site.ts';
import { hiddenFields } from '../support/scenes/visitor.ts';

test('full store: who is signed in goes on, a login and a logout are 503, the process lives, and all is well after', async (t) => {
  const started = await site(t, { config: { session: { store: { type: 'embedded', path: 'data' } } } });
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const database = new DatabaseSync(path.join(started.folder, 'data', 'gatehouse.db'));
  t.after(() => database.close());
  // A trigger fails each write with the words of a full disk; reads go on, as on a real one.
  const refuse = (event: string) =>
    `CREATE TRIGGER full_${event} BEFORE ${event} ON entries BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`;
  for (const event of ['INSERT', 'UPDATE', 'DELETE']) database.exec(refuse(event));

  assert.equal((await browser.fetch('/x')).status, 200);
  assert.equal((await started.visitor().fetch('/public')).status, 200);
  const login = await started.visitor().open('/_gate/login');
  assert.equal(login.status, 200);
  const refused = await started.visitor().signIn('agent1', passwords.agent1);
  assert.equal(refused.status, 503);
  const page = await browser.open('/_gate/logout');
  const kept = browser.cookies.get('gatehouse') ?? '';
  const logout = await browser.post('/_gate/logout', hiddenFields(page.text));
  assert.equal(logout.status, 503);
  assert.equal(browser.cookies.has('gatehouse'), false, 'the browser forgets the session all the same');

  for (const event of ['INSERT', 'UPDATE', 'DELETE']) database.exec(`DROP TRIGGER full_${event}`);
  browser.cookies.set('gatehouse', kept);
  const again = await browser.open('/_gate/logout');
  assert.equal((await browser.post('/_gate/logout', hiddenFields(again.text))).status, 200);
  await started.visitor().mustSignIn('agent1', passwords.agent1);
});
