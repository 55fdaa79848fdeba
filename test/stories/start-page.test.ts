/** The start page in Chromium: from the address of the site to an application, at a desk and on a phone, by day and by night. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, staff } from '../support/scenes/site.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { startUpstream } from '../support/servers/upstream.ts';

const languages = { en: ['Your applications', 'Agent desktop'], fr: ['Vos applications', 'Poste agent'] } as const;

test('start page: one signs in at the site, sees what one may open, and opens it', {
  skip: withoutChromium,
}, async (t) => {
  const upstream = await startUpstream(t, {
    answer: (request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<title>App</title><h1>${request.url} for ${request.headers['x-remote-user']}</h1>`);
    },
  });
  const access = { roles: ['supervisor'] };
  const site = await gateway(t, {
    users: staff,
    config: {
      roles: { supervisor: { groups: ['supervisors'] } },
      routes: [
        { location: '= /', redirect: { to: '/_gate/' } },
        {
          location: '/desk/',
          upstream: upstream.origin,
          label: { en: 'Agent desktop', fr: 'Poste agent' },
          icon: 'headset',
        },
        { location: '/board/', upstream: upstream.origin, access, label: 'Board', icon: 'gauge' },
        {
          location: '/grafana/',
          upstream: upstream.origin,
          label: 'Grafana',
          group: 'Reports',
          start: '/grafana/d/home?x=1',
        },
      ],
    },
  });
  const browser = await shareChromium(t);
  for (const [language, [title, label]] of Object.entries(languages)) {
    const context = await browser.newContext({ locale: language, colorScheme: language === 'en' ? 'light' : 'dark' });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    await page.goto(site.url.href);
    await page.fill('[name=username]', 'agent1');
    await page.fill('[name=password]', passwords.agent1);
    await Promise.all([page.waitForURL('**/_gate/'), page.press('[name=password]', 'Enter')]);
    assert.equal(await page.locator('h1').textContent(), title);
    assert.deepEqual(await page.locator('.tile-label').allTextContents(), [label, 'Grafana']);
    for (const width of [320, 390, 768, 1024, 1440]) {
      await page.setViewportSize({ width, height: 800 });
      const needed = await page.evaluate<number>('document.documentElement.scrollWidth');
      assert.ok(needed <= width, `${needed} of ${width} pixels in ${language}`);
      const [bar, tile] = [
        await page.locator('.person').boundingBox(),
        await page.locator('.tile').first().boundingBox(),
      ];
      assert.ok(
        bar && tile && tile.y >= bar.y + bar.height && tile.height >= 44,
        `${width} pixels: a finger finds a tile`,
      );
    }
    assert.deepEqual(complaints, []);
    await page.getByRole('link', { name: 'Grafana' }).click();
    assert.equal(await page.locator('h1').textContent(), '/grafana/d/home?x=1 for agent1');
    await page.goBack();
    await page.locator('.sign-out').click();
    await page.locator('form button').click();
    await page.goto(new URL('/_gate/', site.url).href);
    assert.match(page.url(), /\/_gate\/login\?return=%2F_gate%2Fhome$/);
    await context.close();
  }
});
