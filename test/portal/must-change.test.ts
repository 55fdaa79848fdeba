/** A local account whose password was given by somebody else, and that has or needs a second factor: the factor comes first. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { site, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';

const given = 'given-by-the-desk';
const fresh = 'chosen-by-myself-1';

test('must change: nothing is changed before the factor, and the rules hold behind it', async (t) => {
  const upstream = await startUpstream(t);
  const factors = { app: { type: 'totp' } };
  const config = { ...siteConfig(upstream.origin), factors, login: { chain: ['local'], level: 2 } };
  const started = await site(t, { config });
  const file = () => readFileSync(join(started.folder, 'users.yaml'), 'utf8');
  await run(['users', 'passwd', 'agent1', '--must-change', '--config', started.file], { stdin: `${given}\n` });
  const before = file();

  const thief = started.visitor();
  const login = await thief.open('/_gate/login?return=/desk');
  const posted = await thief.post('/_gate/login', {
    ...hiddenFields(login.text),
    ...{ username: 'agent1', password: given, newPassword: fresh, newPasswordAgain: fresh },
  });
  assert.match(String(posted.headers.location), /^\/_gate\/enrol\?login=/);
  assert.equal(file(), before, 'the new password is none');

  const browser = started.visitor();
  const setup = await followed(browser, await browser.signIn('agent1', given, '/desk'));
  const choosing = await followed(browser, await takeStep(browser, setup, { code: scan(setup).at(Date.now()) }));
  assert.match(choosing.text, /Your password must be changed/);
  assert.equal(file(), before);
  const weak = await takeStep(browser, choosing, { newPassword: 'Agent1-2026', newPasswordAgain: 'Agent1-2026' });
  assert.match(weak.text, /little more than your name/);
  const done = await takeStep(browser, weak, { newPassword: fresh, newPasswordAgain: fresh });
  assert.equal(done.headers.location, '/desk', done.text);
  assert.equal((await browser.open('/desk')).status, 200);
  assert.doesNotMatch(file(), /mustChangePassword/);
});
