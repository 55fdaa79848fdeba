/**
 * Passkey first, with a real directory: in Chromium by its virtual authenticator, and by a key of software for accounts that the
 * directory has locked, disabled, let expire or lost, and for a directory that is away.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gateway } from '../support/scenes/gateway.ts';
import { type Site, siteConfig } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { type Directory, needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import { type DirectoryContent, personDn } from '../support/servers/slapd-content.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { freePort } from '../support/tools/free-port.ts';
import { SoftwareKey } from '../support/tools/software-key.ts';

const password = 'right-4417-horse';
const content: DirectoryContent = {
  people: [
    {
      ...{ uid: 'alice', password, email: 'alice@example.com' },
      attributes: { objectClass: ['inetOrgPerson', 'extensibleObject'] },
    },
  ],
  groups: { agents: ['alice'] },
};
const address = '/_gate/passkey?return=%2Fdesk';

async function desk(t: TestContext, directory: Directory): Promise<Site & { readonly origin: string }> {
  const { url, managerDn, managerPassword, searchBase, groupBase } = directory;
  const upstream = await startUpstream(t);
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const started = await gateway(t, {
    config: {
      ...siteConfig(upstream.origin),
      server: { listen: `http://127.0.0.1:${port}`, publicUrl: origin },
      session: { store: { type: 'memory' } },
      login: { chain: ['directory'], timeout: '5s', level: 2 },
      providers: {
        directory: {
          ...{ type: 'ldap', url, managerDn, managerPassword, searchBase, timeout: '1s' },
          groups: { searchBase: groupBase },
        },
      },
      factors: { key: { type: 'webauthn', first: true }, app: { type: 'totp' } },
    },
  });
  return { ...started, upstream, origin, visitor: () => new Visitor(new URL(origin)) };
}

async function touch(browser: Visitor, page: Answer, key: SoftwareKey, how: 'register' | 'answer'): Promise<Answer> {
  const form =
    [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)].find(([text]) => text.includes('data-key='))?.[0] ?? '';
  const given = /data-options="([^"]*)"/.exec(form)?.[1]?.replaceAll('&quot;', '"') ?? '{}';
  const action = /action="([^"]*)"/.exec(form)?.[1] ?? '';
  return browser.post(action, { ...hiddenFields(form), answer: key[how](JSON.parse(given), { isVerified: true }) });
}

async function enrolled({ origin, visitor }: Awaited<ReturnType<typeof desk>>): Promise<SoftwareKey> {
  const key = new SoftwareKey(origin, { isSynced: true });
  const browser = visitor();
  const choice = await browser.open(String((await browser.signIn('alice', password, '/desk')).headers.location));
  const [form = ''] = /<form[\s\S]*?<\/form>/.exec(choice.text) ?? [];
  const picked = await browser.post('/_gate/enrol', hiddenFields(form));
  const setup = await browser.open(String(picked.headers.location));
  assert.equal((await touch(browser, setup, key, 'register')).headers.location, '/desk');
  return key;
}

test('passkey first in Chromium: set up, signed out, signed in by it alone, and seen by the upstream at level 3', {
  skip: withoutChromium || needsSlapd.skip,
}, async (t) => {
  const here = await desk(t, await shareSlapd(t, content));
  const browser = await shareChromium(t);
  const context = await browser.newContext({ locale: 'en' });
  t.after(() => context.close());
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('console', (message) => {
    // A login page asks whether somebody has signed in meanwhile, and is told 401.
    if (message.type() === 'error' && !/status of 401/.test(message.text())) errors.push(message.text());
  });
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const authenticator = {
    protocol: 'ctap2',
    transport: 'usb',
    hasResidentKey: true,
    hasUserVerification: true,
  } as const;
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: { ...authenticator, automaticPresenceSimulation: true, isUserVerified: true },
  });
  await page.goto(`${here.origin}/desk`);
  await page.fill('[name=username]', 'alice');
  await page.fill('[name=password]', password);
  await page.press('[name=password]', 'Enter');
  await page.getByRole('button', { name: 'Security key' }).click();
  await Promise.all([page.waitForURL('**/desk'), page.getByRole('button', { name: 'Set up my security key' }).click()]);
  const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
  assert.deepEqual([credentials.length, credentials[0]?.isResidentCredential], [1, true]);

  await page.goto(`${here.origin}/_gate/logout`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.goto(`${here.origin}/desk?shift=early`);
  const before = here.upstream.received.length;
  await page.getByRole('link', { name: 'Sign in with a passkey' }).click();
  await page.waitForURL('**/desk?shift=early');
  const seen = here.upstream.received.slice(before).find(({ url }) => url.startsWith('/desk'));
  assert.deepEqual(
    ['x-remote-user', 'x-remote-level', 'x-remote-email', 'x-remote-groups'].map((name) => seen?.values(name)),
    [['alice'], ['3'], ['alice@example.com'], ['agents']],
  );

  // A key that does not know its user is none, and the page says what to do.
  await context.clearCookies();
  await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await page.goto(here.origin + address);
  await page.getByRole('button', { name: 'Use my passkey' }).click();
  await page.getByRole('alert').filter({ hasText: 'No passkey was used' }).waitFor();
  await page.getByRole('link', { name: 'Sign in another way' }).click();
  await page.getByLabel('User name').waitFor();
  assert.deepEqual(errors, [], 'nothing is against the content security policy');

  const plain = await browser.newContext({ locale: 'en', javaScriptEnabled: false });
  t.after(() => plain.close());
  const still = await plain.newPage();
  await still.goto(here.origin + address);
  await still.getByText('This browser cannot ask for a security key').waitFor();
  assert.equal(await still.getByRole('button').count(), 0);
  await still.getByRole('link', { name: 'Sign in another way' }).click();
  await still.getByLabel('User name').waitFor();
});

type Change = readonly [reason: string, lines: readonly string[]];
const modify = (name: string, value: string): readonly string[] => [
  'changetype: modify',
  `replace: ${name}`,
  `${name}: ${value}`,
];
const standings: Readonly<Record<string, Change>> = {
  'disabled, as Active Directory says it': ['account-disabled', modify('userAccountControl', '514')],
  'locked by wrong passwords': ['account-locked', modify('pwdAccountLockedTime', '20260101000000Z')],
  'locked by somebody': ['account-locked', modify('pwdAccountLockedTime', '000001010000Z')],
  expired: ['account-expired', modify('pwdEndTime', '20200101000000Z')],
  'to change the password first': ['password-must-change', modify('pwdReset', 'TRUE')],
  gone: ['unknown-user', ['changetype: delete']],
};

test('2F6b: a passkey of an account that the directory bars or lost opens nothing', needsSlapd, async (t) => {
  const directory = await shareSlapd(t, content);
  const here = await desk(t, directory);
  const key = await enrolled(here);
  const { base } = directory;
  for (const [what, [reason, lines]] of Object.entries(standings)) {
    directory.modify([`dn: ${personDn('alice', base)}`, ...lines, ''].join('\n'));
    const browser = here.visitor();
    const answer = await touch(browser, await browser.open(address), key, 'answer');
    assert.equal(answer.status, 403, what);
    assert.equal(here.audit('login').at(-1)?.reason, reason, what);
    assert.match(answer.text, /Sign in another way/);
    const before = here.upstream.received.length;
    assert.equal((await browser.fetch('/desk')).status, 401, what);
    assert.equal(here.upstream.received.length, before);
    const [, , attribute = ''] = lines.length > 1 ? (/^(replace): (.*)$/.exec(lines[1] ?? '') ?? []) : [];
    if (attribute !== '')
      directory.modify([`dn: ${personDn('alice', base)}`, 'changetype: modify', `delete: ${attribute}`, ''].join('\n'));
  }
});

test('2F6b: a directory that is away is an outage, never a way in', needsSlapd, async (t) => {
  const directory = await startSlapd(t, content);
  const here = await desk(t, directory);
  const key = await enrolled(here);
  directory.pause();
  const browser = here.visitor();
  const answer = await touch(browser, await browser.open(address), key, 'answer');
  assert.equal(answer.status, 503);
  assert.equal(answer.headers['retry-after'], '10');
  assert.equal(here.audit('login').at(-1)?.reason, 'timed-out');
  assert.equal((await browser.fetch('/desk')).status, 401);
});
