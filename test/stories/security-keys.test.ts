/** Security keys in Chromium, with a virtual authenticator of the DevTools protocol: set up, touched, refused, and without script. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, siteConfig, staff } from '../support/scenes/site.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { freePort } from '../support/tools/free-port.ts';

const options = { skip: withoutChromium };
const pictures = process.env.GATEHOUSE_PICTURES;

async function picture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}/${name}.png` });
}

async function world(t: TestContext) {
  const upstream = await startUpstream(t);
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const site = await gateway(t, {
    users: staff,
    config: {
      ...siteConfig(upstream.origin),
      server: { listen: `http://127.0.0.1:${port}`, publicUrl: origin },
      login: { chain: ['local'], level: 2 },
      factors: { key: { type: 'webauthn' }, codes: { type: 'recovery' } },
    },
  });
  const browser = await shareChromium(t);
  const visit = async (more: { javaScriptEnabled?: boolean } = {}): Promise<BrowserContext> => {
    const context = await browser.newContext({ locale: 'en', viewport: { width: 320, height: 640 }, ...more });
    t.after(() => context.close());
    return context;
  };
  return { site, upstream, origin, visit };
}

/** A key that is plugged in while its page lives. */
async function plugIn(page: Page): Promise<{ readonly devtools: CDPSession; readonly id: string }> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const { authenticatorId: id } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'usb', automaticPresenceSimulation: true, isUserVerified: true },
  });
  return { devtools, id };
}

async function signIn(page: Page, origin: string): Promise<void> {
  await page.goto(`${origin}/desk`);
  await page.fill('[name=username]', 'agent1');
  await page.fill('[name=password]', passwords.agent1);
  await page.press('[name=password]', 'Enter');
}

test(
  'security keys: set up with printed codes beside it, touched at the next login, no foreign key',
  options,
  async (t) => {
    const { upstream, origin, visit } = await world(t);
    const context = await visit();
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('console', (message) => {
      // A login page asks whether somebody has signed in meanwhile, and is told 401.
      if (message.type() === 'error' && !/status of 401/.test(message.text())) errors.push(message.text());
    });
    const { devtools, id } = await plugIn(page);
    await signIn(page, origin);
    await page.getByRole('heading', { name: 'Set up your security key' }).waitFor();
    assert.equal(await page.locator('[data-key-without]').isVisible(), false);
    await picture(page, 'key-setup');
    await page.fill('[name=name]', 'blue key');
    await page.getByRole('button', { name: 'Set up my security key' }).click();
    await page.getByRole('heading', { name: 'Keep your recovery codes' }).waitFor();
    assert.equal(await page.locator('.spare-codes li').count(), 10);
    await picture(page, 'recovery-codes');
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    assert.ok(Number(overflow) <= 0, `${overflow} px too wide at 320`);
    await page.getByRole('checkbox').check();
    await Promise.all([page.waitForURL('**/desk'), page.getByRole('button', { name: 'Set up and continue' }).click()]);
    assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), ['agent1']);
    const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId: id });
    assert.equal(credentials.length, 1);
    assert.equal(credentials[0]?.rpId, 'localhost');

    await context.clearCookies();
    await signIn(page, origin);
    await page.getByRole('button', { name: 'Security key' }).click();
    // The key is asked for at once: nobody clicks.
    await page.waitForURL('**/desk');

    await context.clearCookies();
    await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: id });
    const other = await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport: 'usb', automaticPresenceSimulation: true, isUserVerified: true },
    });
    await signIn(page, origin);
    await page.getByRole('button', { name: 'Security key' }).click();
    await page.getByRole('heading', { name: 'Touch your security key' }).waitFor();
    await page.getByRole('button', { name: 'Use my security key' }).click();
    await page.getByText('No key was touched, or it is not one of yours.').waitFor();
    await picture(page, 'key-foreign');
    await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: other.authenticatorId });
    await page.getByRole('button', { name: 'Use another way' }).click();
    await page.getByRole('button', { name: 'Recovery code' }).waitFor();
    assert.deepEqual(errors, [], 'nothing is against the content security policy');
  },
);

test(
  'security keys: a page of a key says in the accessibility tree what it asks for, and without script what else there is',
  options,
  async (t) => {
    const { origin, visit } = await world(t);
    const context = await visit({ javaScriptEnabled: false });
    const page = await context.newPage();
    await signIn(page, origin);
    await page.getByRole('heading', { level: 1, name: 'Set up your security key' }).waitFor();
    assert.equal(await page.locator('[data-key-start]').isVisible(), false);
    await page.getByText('This browser cannot ask for a security key').waitFor();
    await page.getByRole('link', { name: 'Start again' }).waitFor();
  },
);
