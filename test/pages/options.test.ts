/** The operator's options, and the assets that follow from them. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { withReadContext } from '../../src/config/context.ts';
import { pageOptions } from '../../src/pages/options.ts';
import { createPages } from '../../src/pages/pages.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const png = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(20)]);

for (const [file, body, contentType] of [
  ['logo.svg', '<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', 'image/svg+xml'],
  ['logo.png', png, 'image/png'],
] as const)
  test(`options: ${file} is served as what it is, and stands on the pages`, async (t) => {
    const directory = await temporaryFolder(t);
    await writeFile(join(directory, file), body);
    const options = withReadContext({ directory, env: {} }, () => pageOptions.parse({ logo: file }));
    const pages = createPages(options);
    const asset = pages.assets().get(file);
    assert.equal(asset?.contentType, contentType);
    assert.deepEqual(asset?.body, Buffer.from(body));
    assert.ok(pages.render('en', { kind: 'signed-out', loginHref: '/_gate/login' }).includes(`src="${asset?.href}"`));
  });

for (const [why, body] of [
  ['a page', '<html><svg></svg></html>'],
  ['text', 'svg'],
  ['too large', Buffer.concat([png, Buffer.alloc(600 * 1024)])],
] as const)
  test(`options: a logo that is ${why} is refused, and the error names the file`, async (t) => {
    const directory = await temporaryFolder(t);
    await writeFile(join(directory, 'logo.svg'), body);
    const result = withReadContext({ directory, env: {} }, () => pageOptions.safeParse({ logo: 'logo.svg' }));
    assert.equal(result.success, false);
    assert.deepEqual(result.error?.issues[0]?.path, ['logo']);
    assert.ok(result.error?.issues[0]?.message.includes(join(directory, 'logo.svg')));
  });

test('options: a logo that is missing is refused', () => {
  assert.equal(pageOptions.safeParse({ logo: '/nowhere/logo.svg' }).success, false);
});

for (const wrong of [
  { accentColor: 'red;}body{background:url(//evil)' },
  { accentColor: '#12345' },
  { siteName: '' },
  { siteName: 'x'.repeat(61) },
  { helpText: { de: 'Hilfe' } },
  { colour: '#123456' },
  { forgotPassword: 'http://plain.example/reset' },
  { forgotPassword: 'javascript:alert(1)' },
  { forgotPassword: '//evil.example/' },
  { forgotPassword: '/\\evil.example' },
  { forgotPassword: '/_gate/login' },
  { forgotPassword: 'reset' },
  { passwordRules: { de: 'Zwölf Zeichen' } },
])
  test(`options: ${JSON.stringify(wrong).slice(0, 50)} is refused`, () => {
    assert.equal(pageOptions.safeParse(wrong).success, false);
  });

test('options: help may be said in each language, and falls back to the site’s', () => {
  const options = pageOptions.parse({ helpText: { fr: 'Appelez le 12.' }, language: 'fr' });
  const pages = createPages(options);
  assert.match(pages.render('en', { kind: 'login', action: '/_gate/login', ways: [] }), /Appelez le 12\./);
  assert.equal(pages.language('de'), 'fr');
});

test('options: whoever has forgotten a password finds the way from the form, and from no other page', () => {
  const link = (forgotPassword: string, ways: readonly { kind: 'form' }[]) =>
    createPages(pageOptions.parse({ forgotPassword }))
      .render('en', { kind: 'login', action: '/_gate/login', ways })
      .match(/<p class="forgot"><a href="([^"]*)">/)?.[1];
  assert.equal(link('https://id.example/reset?a=1&b=2', [{ kind: 'form' }]), 'https://id.example/reset?a=1&amp;b=2');
  assert.equal(link('/password/reset', [{ kind: 'form' }]), '/password/reset');
  assert.equal(link('/password/reset', []), undefined);
});

test('assets: an address changes with its content, and only then', () => {
  const hrefs = (accentColor: string): (string | undefined)[] => {
    const assets = createPages(pageOptions.parse({ accentColor })).assets();
    return ['theme.css', 'gatehouse.css'].map((name) => assets.get(name)?.href);
  };
  const [blue, red] = [hrefs('#224488'), hrefs('#aa2222')];
  assert.notEqual(blue[0], red[0]);
  assert.equal(blue[1], red[1]);
  assert.deepEqual(hrefs('#224488'), blue);
});
