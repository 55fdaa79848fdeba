/**
 * The pages of second factors in Chromium, as those meet them who see little, use no mouse, or hold a phone: the browser's own
 * accessibility tree, contrast in light and dark, 320 pixels, two languages, and a whole login by keyboard.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import type { Page } from 'playwright-core';
import { parse, stringify } from 'yaml';
import { factorViews } from '../../scripts/pictures/views.ts';
import { assetPath } from '../../src/pages/assets.ts';
import { type Language, languageNames, languages } from '../../src/pages/language.ts';
import { pageOptions } from '../../src/pages/options.ts';
import { createPages } from '../../src/pages/pages.ts';
import { passwords, site } from '../support/scenes/site.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { freePort } from '../support/tools/free-port.ts';

const options = { skip: withoutChromium };

/** What a screen reader is told of one thing on a page. */
interface Told {
  readonly role: string;
  readonly name: string;
  readonly description: string;
  readonly state: Readonly<Record<string, unknown>>;
}

/** The accessibility tree of a page, without what is skipped. */
async function treeOf(page: Page): Promise<readonly Told[]> {
  const devtools = await page.context().newCDPSession(page);
  const { nodes } = await devtools.send('Accessibility.getFullAXTree');
  await devtools.detach();
  return nodes
    .filter(({ ignored }) => !ignored)
    .map(({ role, name, description, properties = [] }) => ({
      role: String(role?.value ?? ''),
      name: String(name?.value ?? ''),
      description: String(description?.value ?? ''),
      state: Object.fromEntries(properties.map((one) => [one.name, one.value.value])),
    }));
}

const of = (tree: readonly Told[], role: string): readonly Told[] => tree.filter((one) => one.role === role);

/** The least contrast of a text on a page to what is behind it, and the text. */
const leastContrast = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const light = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    const part = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    return { a, l: 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b) };
  };
  let least = { ratio: 21, text: '' };
  for (const element of document.querySelectorAll('.pane *')) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
    if (text === '' || !element.checkVisibility()) continue;
    let behind = element;
    while (behind && light(getComputedStyle(behind).backgroundColor).a < 255) behind = behind.parentElement;
    const [one, two] = [light(getComputedStyle(element).color).l, behind ? light(getComputedStyle(behind).backgroundColor).l : 1];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < least.ratio) least = { ratio, text };
  }
  return least;
})()`;

async function serve(t: TestContext): Promise<(language: Language, name: string) => string> {
  const pages = createPages(pageOptions.parse({ siteName: 'ACME Contact Center' }));
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const asset = pages.assets().get(pathname.slice(assetPath.length));
    if (asset) return response.setHeader('content-type', asset.contentType).end(asset.body);
    const [, language, name = ''] = pathname.split('/');
    const view = factorViews[name];
    if (!view) return response.writeHead(404).end();
    response.setHeader('content-type', 'text/html; charset=utf-8');
    return response.end(pages.render(language as Language, view));
  });
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return (language, name) => `http://localhost:${port}/${language}/${name}`;
}

test(
  'factor pages: each says what it is, fits 320 pixels, can be read in light and dark, and has a way on',
  options,
  async (t) => {
    const address = await serve(t);
    const browser = await shareChromium(t);
    const context = await browser.newContext({ viewport: { width: 320, height: 640 }, reducedMotion: 'reduce' });
    t.after(() => context.close());
    const page = await context.newPage();
    for (const language of languageNames)
      for (const [name, view] of Object.entries(factorViews)) {
        const what = `${name}, ${language}`;
        await page.goto(address(language, name));
        assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= 320, `${what} is too wide`);
        for (const colorScheme of language === 'en' ? (['light', 'dark'] as const) : []) {
          await page.emulateMedia({ colorScheme });
          const { ratio, text } = await page.evaluate<{ ratio: number; text: string }>(leastContrast);
          assert.notEqual(text, '');
          assert.ok(ratio >= 4.5, `${what}, ${colorScheme}: ${ratio.toFixed(2)} of “${text}”`);
        }
        const tree = await treeOf(page);
        const headings = of(tree, 'heading').filter(({ state }) => state.level === 1);
        assert.equal(headings.length, 1, what);
        assert.ok((await page.title()).includes(headings[0]?.name ?? ''), what);
        assert.equal(await page.evaluate('document.documentElement.lang'), language);
        for (const role of ['button', 'link', 'textbox', 'radio', 'checkbox', 'DisclosureTriangle']) {
          const names = of(tree, role).map((one) => one.name);
          assert.ok(
            names.every((one) => one.trim() !== ''),
            `${what}: a ${role} without a name`,
          );
          assert.equal(new Set(names).size, names.length, `${what}: two ${role}s of one name: ${names.join(', ')}`);
        }
        assert.ok(await page.locator('main a[href], main button:visible').count(), `${what} is a dead end`);
        const problem = 'problem' in view ? view.problem : undefined;
        const alerts = of(tree, 'alert');
        if (problem !== undefined) {
          assert.equal(alerts.length, 1, `${what} is read out`);
          assert.ok((await page.title()).startsWith(languages[language].common.errorPrefix), what);
          const said = (await page.locator('#notice').textContent()) ?? '';
          const invalid = of(tree, 'textbox').filter(({ state }) => state.invalid === 'true');
          assert.ok(invalid.length > 0, what);
          for (const one of invalid) assert.ok(one.description.includes(said), `${what}: the field tells why`);
        }
      }
  },
);

test(
  'factor pages: a code field has the focus, is described by its prompt, and phones fill it in',
  options,
  async (t) => {
    const address = await serve(t);
    const browser = await shareChromium(t);
    const page = await browser.newPage();
    for (const name of ['factor-code', 'factor-code-wrong', 'factor-methods', 'factor-setup']) {
      await page.goto(address('en', name));
      const field = page.locator('input[name=code]:focus');
      await field.waitFor();
      assert.equal(await field.getAttribute('autocomplete'), 'one-time-code', name);
      const inputmode = await field.getAttribute('inputmode');
      assert.equal(inputmode, name === 'factor-methods' ? null : 'numeric', name);
      const [told] = of(await treeOf(page), 'textbox').filter(({ state }) => state.focused);
      assert.ok(
        told?.description.includes((await page.locator('#prompt').textContent()) ?? ''),
        `${name}: ${told?.description}`,
      );
      assert.equal(told?.state.required, true);
    }
    await page.goto(address('en', 'factor-setup'));
    const images = of(await treeOf(page), 'image').map((one) => one.name);
    assert.ok(images.includes('QR code for your authenticator app'), images.join(', '));
    await page.goto(address('en', 'factor-methods'));
    const radios = of(await treeOf(page), 'radio').map((one) => one.name);
    assert.deepEqual(radios, ['Authenticator app', 'Call to •••• 42']);
    await page.goto(address('en', 'factor-pass'));
    assert.equal(of(await treeOf(page), 'status').length, 1, 'the code is read out');
  },
);

/** Goes by the tabulator to what is called so, and presses it. */
async function press(page: Page, name: string, key = 'Enter'): Promise<void> {
  for (let times = 0; times < 30; times += 1) {
    await page.keyboard.press('Tab');
    const [told] = (await treeOf(page)).filter(({ state, role }) => state.focused && role !== 'RootWebArea');
    if (told?.name === name) return page.keyboard.press(key);
  }
  assert.fail(`the tabulator does not reach “${name}”`);
}

const heading = (page: Page, name: string): Promise<void> =>
  page.getByRole('heading', { level: 1, name }).waitFor({ timeout: 10_000 });

test('factor pages: company, setup, recovery codes and a new password by keyboard alone', options, async (t) => {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const here = await site(t, {
    config: {
      server: { listen: `http://127.0.0.1:${port}`, publicUrl: origin },
      login: { level: 2 },
      factors: { key: { type: 'webauthn' }, app: { type: 'totp' }, codes: { type: 'recovery' } },
      tenants: {
        acme: { company: 'ACME Calls', match: { domains: ['example.com'] } },
        globex: { company: 'Globex', match: { groups: ['agents'] } },
      },
      tenantRules: { several: 'choose' },
    },
  });
  const path = join(here.folder, 'users.yaml');
  const { users } = parse(await readFile(path, 'utf8'));
  await writeFile(path, stringify({ users: { ...users, agent1: { ...users.agent1, mustChangePassword: true } } }));
  const browser = await shareChromium(t);
  const context = await browser.newContext({ locale: 'en', viewport: { width: 320, height: 640 } });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${origin}/desk`);
  await page.locator('input[name=username]:focus').waitFor();
  await page.keyboard.type('agent1');
  await page.keyboard.press('Tab');
  await page.keyboard.type(passwords.agent1);
  await page.keyboard.press('Enter');
  await heading(page, languages.en.tenant.title);
  await press(page, 'Globex');
  await heading(page, languages.en.enrol.titleChoose);
  await press(page, 'Authenticator app');
  await heading(page, languages.en.enrol.title);
  const secret = ((await page.locator('.secret code').textContent()) ?? '').replaceAll(' ', '');
  const app = new TOTP({ secret: Secret.fromBase32(secret) });
  await page.locator('input[name=code]:focus').waitFor();
  await page.keyboard.type('000000');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await page.locator('input[name=code]:focus').waitFor();
  await page.keyboard.type(app.generate());
  await page.keyboard.press('Enter');
  await heading(page, languages.en.enrol.spare.title);
  await press(page, languages.en.enrol.spare.kept, 'Space');
  await press(page, languages.en.enrol.submit);
  await heading(page, languages.en.newPassword.title);
  await page.locator('input[name=newPassword]:focus').waitFor();
  await page.keyboard.type('fresh-7731-stable');
  await press(page, languages.en.newPassword.repeat, 'End');
  await page.keyboard.type('fresh-7731-stable');
  await Promise.all([page.waitForURL('**/desk'), page.keyboard.press('Enter')]);
  const seen = here.upstream.received.find(({ url }) => url === '/desk');
  assert.deepEqual(
    ['x-remote-user', 'x-remote-tenant', 'x-remote-level'].map((name) => seen?.values(name)),
    [['agent1'], ['globex'], ['2']],
  );
  // One's own factors, and a key removed by keyboard as well.
  await page.goto(`${origin}/_gate/account`);
  await press(page, 'Change: Authenticator app');
  await page.getByRole('button', { name: 'Remove: Authenticator app' }).waitFor();
  const tree = await treeOf(page);
  assert.ok(of(tree, 'heading').some(({ name }) => name === languages.en.ownFactors.title));
});
