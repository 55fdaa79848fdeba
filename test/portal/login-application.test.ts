/** Which application the login page says it leads to: the label of its route, at the public host and at further ones. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Site, site, siteConfig } from '../support/scenes/site.ts';

async function labelled(t: TestContext): Promise<Site> {
  const started = await site(t);
  const upstream = started.upstream.origin;
  await started.write({
    roles: siteConfig(upstream).roles,
    pages: { siteName: 'Contact center' },
    routes: [
      { location: '/desk/', upstream, label: { en: 'Agent desk', fr: 'Poste d’agent' }, start: false },
      { location: '/board/', upstream, label: '<Board>' },
      { name: 'Secret project', location: '/project/', upstream },
      { location: '/', upstream },
    ],
  });
  await started.running.reload({ actor: 'signal' });
  return started;
}

const lead = (text: string): string | undefined => /<p class="lead"[^>]*>([^\n]*?)<\/p>/.exec(text)?.[1];

test('login page: it says the label of the application that it leads to, in the language of the page', async (t) => {
  const { visitor } = await labelled(t);
  const browser = visitor();
  const said = async (returnTo: string, language = 'en') => {
    const query = new URLSearchParams({ return: returnTo });
    const { text } = await browser.open(`/_gate/login?${query}`, { headers: { 'accept-language': language } });
    return lead(text);
  };
  assert.equal(await said('/desk/calls?x=/board/'), 'to continue to Agent desk');
  assert.equal(await said('/desk'), 'to continue to Agent desk', 'the closing slash is added on the way');
  assert.equal(await said('/desk/', 'fr'), 'pour accéder à Poste d’agent');
  assert.equal(await said('/board/'), 'to continue to &lt;Board&gt;');
  assert.equal(await said('/project/'), 'to continue to Contact center', 'a name is for logs');
  assert.equal(await said('//evil.example/desk/'), 'to continue to Contact center');
});

test('login page: it says so after a wrong password too', async (t) => {
  const { visitor } = await labelled(t);
  const page = await visitor().signIn('agent1', 'wrong', '/desk/');
  assert.equal(page.status, 401);
  assert.equal(lead(page.text), 'to continue to Agent desk');
});
