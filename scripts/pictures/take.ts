/**
 * Takes the pictures of pages in the docs anew, in Chromium: `node scripts/pictures/take.ts` writes those of `docs/images`;
 * with a folder and, if wished, a language, `dark` and a width it writes every page there, to be looked at.
 */
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { assetPath } from '../../src/pages/assets.ts';
import { type Language, languageNames } from '../../src/pages/language.ts';
import { pageOptions } from '../../src/pages/options.ts';
import { createPages } from '../../src/pages/pages.ts';
import { factorViews } from './views.ts';

const inDocs = ['factor-choice', 'factor-code', 'factor-key', 'factor-setup', 'own-factors', 'factor-pass', 'passkey'];

const [folder, ...words] = process.argv.slice(2);
const language = (words.find((word) => (languageNames as readonly string[]).includes(word)) ?? 'en') as Language;
const width = Number(words.find((word) => /^\d+$/.test(word)) ?? 460);
const target = folder ?? join(import.meta.dirname, '../../docs/images');
const pages = createPages(pageOptions.parse({ siteName: 'ACME Contact Center' }));

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const asset = pages.assets().get(pathname.slice(assetPath.length));
  const view = factorViews[pathname.slice(1)];
  if (asset) response.setHeader('content-type', asset.contentType).end(asset.body);
  else if (view) response.setHeader('content-type', 'text/html; charset=utf-8').end(pages.render(language, view));
  else response.writeHead(404).end();
});
await new Promise<void>((resolve) => {
  server.listen(0, '127.0.0.1', resolve);
});
const { port } = server.address() as AddressInfo;
mkdirSync(target, { recursive: true });
const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
const colorScheme = words.includes('dark') ? 'dark' : 'light';
const page = await browser.newPage({ viewport: { width, height: 560 }, colorScheme, reducedMotion: 'reduce' });
for (const name of folder === undefined ? inDocs : Object.keys(factorViews)) {
  await page.goto(`http://localhost:${port}/${name}`);
  await page.screenshot({ path: join(target, `${name}.png`), fullPage: true });
}
await browser.close();
server.close();
