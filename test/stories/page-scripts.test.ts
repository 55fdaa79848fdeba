/** What the pages do by themselves in Chromium: go on after a login in another tab, count down, try again, fit a phone on its side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, staff } from '../support/scenes/site.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { startUpstream } from '../support/servers/upstream.ts';

const options = { skip: withoutChromium };

async function world(t: Parameters<typeof startUpstream>[0]) {
  const state = { away: false };
  const upstream = await startUpstream(t, {
    answer: (request, response) => {
      if (state.away) return request.socket.destroy();
      response.setHeader('content-type', 'text/html');
      return response.end(`<title>App</title><h1>${request.url}</h1>`);
    },
  });
  const site = await gateway(t, {
    users: staff,
    config: {
      login: { chain: ['local'], lockout: { user: 1, delay: '4s' } },
      routes: [{ location: '/', upstream: upstream.origin, label: 'Desk', start: false }],
    },
  });
  const context = await (await shareChromium(t)).newContext({ locale: 'en' });
  t.after(() => context.close());
  return { site, state, context, at: (path: string) => new URL(path, site.url).href };
}

test('page scripts: who signs in in one tab goes on in the others', options, async (t) => {
  const { context, at } = await world(t);
  const [first, second] = [await context.newPage(), await context.newPage()];
  await first.goto(at('/one?x=1'));
  await second.goto(at('/two'));
  await second.fill('[name=username]', 'agent1');
  await second.fill('[name=password]', passwords.agent1);
  await second.press('[name=password]', 'Enter');
  await second.waitForURL('**/two');
  // A headless page is never hidden: the tab goes on at once.
  await first.waitForURL('**/one?x=1');
  assert.equal(await first.locator('h1').textContent(), '/one?x=1');
});

test('page scripts: a lock-out counts down, and says when it is over', options, async (t) => {
  const { context, at } = await world(t);
  const page = await context.newPage();
  await page.goto(at('/one'));
  for (let turn = 0; turn < 2; turn++) {
    await page.fill('[name=username]', 'agent1');
    await page.fill('[name=password]', 'wrong');
    await Promise.all([page.waitForResponse('**/_gate/login'), page.press('[name=password]', 'Enter')]);
    await page.locator('#notice').waitFor();
  }
  assert.match((await page.locator('#notice').textContent()) ?? '', /Try again in \d seconds?\./);
  await page.getByText('You can try again now.').waitFor();
});

test(
  'page scripts: a page of an application that is away opens when it is back, and not before',
  options,
  async (t) => {
    const { context, state, at } = await world(t);
    const page = await context.newPage();
    await page.goto(at('/desk'));
    await page.fill('[name=username]', 'agent1');
    await page.fill('[name=password]', passwords.agent1);
    await Promise.all([page.waitForURL('**/desk'), page.press('[name=password]', 'Enter')]);
    state.away = true;
    let loads = 0;
    page.on('load', () => loads++);
    await page.goto(at('/desk?again=1'));
    await page.getByText('This page tries again by itself.').waitFor();
    await page.waitForResponse(
      (response) => response.status() === 502 && response.request().resourceType() === 'fetch',
    );
    assert.equal(loads, 1, 'nobody sees that it asks');
    state.away = false;
    await page.getByText('/desk?again=1', { exact: true }).waitFor();
  },
);

test(
  'page scripts: on a phone on its side the button stands above the fold, with a message too',
  options,
  async (t) => {
    const { context, at } = await world(t);
    const page = await context.newPage();
    for (const [width, height] of [
      [667, 375],
      [844, 390],
    ] as const) {
      await page.setViewportSize({ width, height });
      await page.goto(at('/_gate/login?return=/x&notice=session-idle'));
      const box = await page.locator('button.primary').boundingBox();
      assert.ok(box && box.y + box.height <= height, `${width}: ${JSON.stringify(box)}`);
    }
  },
);

test('page scripts: a password is changed in one browser, and its user is out in the other', options, async (t) => {
  const { context, site, at } = await world(t);
  const page = await context.newPage();
  const signIn = async () => {
    await page.fill('[name=username]', 'agent1');
    await page.fill('[name=password]', passwords.agent1);
    await page.press('[name=password]', 'Enter');
  };
  await page.goto(at('/_gate/account'));
  await signIn();
  await page.getByRole('heading', { name: 'Your account' }).waitFor();
  const other = new Visitor(site.url);
  await other.mustSignIn('agent1', passwords.agent1);
  await page.fill('[name=password]', passwords.agent1);
  await page.fill('[name=newPassword]', 'a-new-4711-password');
  await page.fill('[name=newPasswordAgain]', 'a-new-4711-password');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('Your password was changed, and one other session was ended.').waitFor();
  assert.equal((await other.open('/desk')).status, 302);
  await page.getByRole('link', { name: 'Français' }).click();
  await page.getByRole('heading', { name: 'Votre compte' }).waitFor();
});
