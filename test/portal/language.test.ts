/** The language of the pages: what a browser asks for, unless somebody has chosen another one there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { site } from '../support/scenes/site.ts';

const choice = (query: Record<string, string>): string => `/_gate/language?${new URLSearchParams(query)}`;

test('language: a choice leads back to the page, and holds for all pages of the browser', async (t) => {
  const { visitor, url } = await site(t);
  const browser = visitor();
  const login = '/_gate/login?return=%2Fdesk%3Fa%3D1';
  const page = await browser.open(login, { headers: { 'accept-language': 'en' } });
  assert.match(
    page.text,
    /href="\/_gate\/language\?to=fr&amp;login=%2Fdesk%3Fa%3D1" lang="fr" hreflang="fr">Français</,
  );
  const chosen = await browser.open(choice({ to: 'fr', login: '/desk?a=1' }));
  assert.equal(chosen.status, 302);
  assert.equal(chosen.headers.location, login);
  assert.match(String(chosen.headers['set-cookie']), /^gatehouse-language=fr; Path=\/; Max-Age=31536000; HttpOnly/);
  const again = await browser.open(login, { headers: { 'accept-language': 'en' } });
  assert.equal(again.headers['content-language'], 'fr');
  assert.match(again.text, /pour accéder à/);
  const from = { headers: { referer: `${url.origin}/closed/?x=1` } };
  assert.equal((await browser.open(choice({ to: 'en' }), from)).headers.location, `${url.origin}/closed/?x=1`);
});

test('language: no choice leads elsewhere, and what is no language chooses nothing', async (t) => {
  const { visitor, url } = await site(t);
  const browser = visitor();
  const back = async (query: Record<string, string>, referer?: string) =>
    (await browser.open(choice(query), referer === undefined ? {} : { headers: { referer } })).headers.location;
  assert.equal(await back({ to: 'fr' }), '/');
  assert.equal(await back({ to: 'fr' }, 'https://evil.example/x'), '/');
  assert.equal(await back({ to: 'fr' }, `${url.origin}//evil.example/x`), `${url.origin}//evil.example/x`);
  assert.equal(await back({ to: 'fr' }, `${url.origin}/_gate/language?to=en`), '/');
  assert.equal(await back({ to: 'fr', login: '//evil.example' }), '/_gate/login?return=%2F');
  const odd = visitor();
  for (const to of ['de', '', 'fr; Domain=x', '../fr'])
    assert.equal((await odd.open(choice({ to }))).headers['set-cookie'], undefined, to);
  odd.cookies.set('gatehouse-language', 'xx');
  assert.equal((await odd.open('/_gate/login')).headers['content-language'], 'en');
});

test('language: the choice is no application’s business', async (t) => {
  const { visitor, upstream } = await site(t);
  const browser = visitor();
  await browser.open(choice({ to: 'fr' }));
  await browser.open('/public');
  assert.doesNotMatch(upstream.received.at(-1)?.values('cookie').join() ?? '', /gatehouse/);
});
