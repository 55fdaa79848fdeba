/** The pages in Chromium: with and without scripts, on a phone, by keyboard; nothing breaks the policy they are sent with. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { assetPath } from '../../src/pages/assets.ts';
import { type Language, languageNames } from '../../src/pages/language.ts';
import { pageOptions } from '../../src/pages/options.ts';
import { contentSecurityPolicy, createPages, type Pages, type PageView } from '../../src/pages/pages.ts';
import { everyView, hostilePages } from '../pages/views.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';

const options = { skip: withoutChromium };

interface Site {
  readonly address: (view: string) => string;
  /** The bodies of posts, in order. */
  readonly posts: string[];
}

async function servePages(
  t: TestContext,
  pages: Pages,
  language: Language = 'en',
  views: ReadonlyMap<string, PageView> = new Map(everyView('en')),
): Promise<Site> {
  const posts: string[] = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const asset = pages.assets().get(pathname.slice(assetPath.length));
    if (asset) return response.setHeader('content-type', asset.contentType).end(asset.body);
    if (request.method === 'POST') {
      request.setEncoding('utf8');
      posts.push((await request.toArray()).join(''));
      return response.writeHead(204).end();
    }
    const view = views.get(decodeURIComponent(pathname.slice(1)));
    if (!view) return response.writeHead(404).end();
    response.setHeader('content-security-policy', contentSecurityPolicy());
    response.setHeader('content-type', 'text/html; charset=utf-8');
    return response.end(pages.render(language, view));
  });
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return { posts, address: (view) => `http://127.0.0.1:${port}/${encodeURIComponent(view)}` };
}

function complaints(page: Page): string[] {
  const heard: string[] = [];
  page.on('console', (message) => heard.push(message.text()));
  page.on('pageerror', (error) => heard.push(error.message));
  page.on('dialog', (dialog) => {
    heard.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return heard;
}

test('pages: every page fits a phone, and no script or style breaks the policy', options, async (t) => {
  const site = await servePages(t, hostilePages);
  const browser = await shareChromium(t);
  const page = await browser.newPage({ viewport: { width: 320, height: 700 } });
  const heard = complaints(page);
  for (const [name] of everyView('en')) {
    await page.goto(site.address(name));
    const width = await page.evaluate<number>('document.documentElement.scrollWidth');
    assert.ok(width <= 320, `${name} is ${width} pixels wide`);
  }
  assert.deepEqual(heard, []);
});

test('pages: the account fits a phone on its side in every language, button and links included', options, async (t) => {
  const pages = createPages(pageOptions.parse({ siteName: 'Contact center' }));
  const browser = await shareChromium(t);
  const page = await browser.newPage({ viewport: { width: 844, height: 390 } });
  for (const language of languageNames) {
    const common = {
      kind: 'account',
      action: '/x',
      hidden: {},
      username: 'agent1',
      method: 'x',
      requestId: 'r',
    } as const;
    const links = { sessionsHref: '/x', backHref: '/', logoutHref: '/x' } as const;
    const views = [
      ['plain', { ...common, ...links, canChange: true }],
      ['changed', { ...common, ...links, canChange: true, notice: { kind: 'changed', ended: 2 } }],
    ] as const;
    const site = await servePages(t, pages, language, new Map(views));
    for (const [name, fold] of [
      ['plain', 'document.documentElement.scrollHeight'],
      ['changed', "document.querySelector('button.primary').getBoundingClientRect().bottom"],
    ] as const) {
      await page.goto(site.address(name));
      const height = await page.evaluate<number>(fold);
      assert.ok(height <= 390, `${language}, ${name}: ${height} pixels`);
    }
  }
});

test('pages: one signs in without scripts, by keyboard alone', options, async (t) => {
  const site = await servePages(t, hostilePages);
  const browser = await shareChromium(t);
  const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await page.goto(site.address('login, the form alone'));
  // The browser gives the first field the focus a moment after the page is there; a key before that goes nowhere.
  await page.locator('input[name=username]:focus').waitFor();
  await page.keyboard.type('alice');
  await page.keyboard.press('Tab');
  await page.locator('input[name=password]:focus').waitFor();
  await page.keyboard.type('pass & word');
  const sent = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.keyboard.press('Enter');
  await sent;
  assert.deepEqual(site.posts, ['username=alice&password=pass+%26+word']);
});

test('pages: with scripts a form is sent once, and a password can be shown but is sent as one', options, async (t) => {
  const site = await servePages(t, hostilePages);
  const browser = await shareChromium(t);
  const page = await browser.newPage();
  await page.goto(site.address('login, the form alone'));
  await page.getByLabel('User name').fill('alice');
  await page.locator('#password').fill('secret');
  const reveal = page.getByRole('button', { name: 'Show password' });
  await reveal.click();
  assert.equal(await page.locator('#password').getAttribute('type'), 'text');
  const sent = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.evaluate("for (let i = 0; i < 3; i++) document.querySelector('.button.primary').click()");
  await sent;
  assert.equal(await page.locator('#password').getAttribute('type'), 'password');
  assert.deepEqual(site.posts, ['username=alice&password=secret']);
});

test('pages: a saved form reaches the application as it was, whatever its fields are called', options, async (t) => {
  const site = await servePages(t, hostilePages);
  const browser = await shareChromium(t);
  const page = await browser.newPage();
  await page.goto(site.address('replay'));
  const sent = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.getByRole('button', { name: 'Send the form' }).click();
  await sent;
  const fields = [...new URLSearchParams(site.posts[0])];
  assert.deepEqual(fields.slice(1), [
    ['a', '1'],
    ['a', '2'],
  ]);
  assert.match(fields[0]?.[1] ?? '', /^<\/title>.*\r\nSet-Cookie: a=b$/s);
});
