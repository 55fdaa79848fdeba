/** The page that asks for a new password: when it comes, what it says, and that a slip in it changes nothing but a sentence. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { site, siteConfig } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { directoryWith, manager } from '../support/servers/fake-directory.ts';
import { type FakeLdap, fakeLdap, result } from '../support/servers/fake-ldap.ts';
import { testCertificates } from '../support/tools/certificates.ts';

const expired = 'Your password has expired.';
const mustChange = 'Your password must be changed';

/** A site over a directory that answers to the right password as Active Directory does, with one of its own codes. */
async function siteOver(
  t: TestContext,
  code: string,
  { secure = true } = {},
): Promise<{ browser: Visitor; directory: FakeLdap }> {
  const directory = await fakeLdap(
    t,
    directoryWith(({ id, password }) =>
      result(id, 97, 49, `AcceptSecurityContext error, data ${password === 'right' ? code : '52e'}, v2580`),
    ),
    { secure },
  );
  const options = { searchBase: 'dc=example,dc=com', userSearchFilter: 'uid=%s', attributes: { subject: 'uid' } };
  const tls = secure ? { ca: testCertificates().ca } : {};
  const ad = { type: 'ldap', url: directory.url, flavor: 'activeDirectory', ...tls, ...manager, ...options };
  const { visitor } = await site(t, {
    config: { ...siteConfig('http://127.0.0.1:1'), login: { chain: ['ad'] }, providers: { ad } },
  });
  return { browser: visitor(), directory };
}

/** Sends the form of the page for a new password. */
function change(browser: Visitor, page: Answer, next: string, again = next): Promise<Answer> {
  const fields = { username: 'alice', password: 'right', newPassword: next, newPasswordAgain: again };
  return browser.post('/_gate/login', { ...hiddenFields(page.text), ...fields });
}

const codes = { '532': expired, '773': mustChange } as const;
for (const [code, sentence] of Object.entries(codes))
  test(`new password: why it is asked for stays on the page through slips (data ${code})`, async (t) => {
    const { browser, directory } = await siteOver(t, code);
    const asked = await browser.signIn('alice', 'right', '/desk');
    assert.equal(asked.status, 401);
    assert.ok(asked.text.includes(sentence), asked.text);
    const before = directory.requests.length;
    const slips = { mismatch: ['a-long-new-one', 'another'], same: ['right', 'right'], empty: ['', ''] } as const;
    let page = asked;
    for (const [slip, [next, again]] of Object.entries(slips)) {
      page = await change(browser, page, next, again);
      assert.equal(page.status, 400, slip);
      assert.ok(page.text.includes(sentence), `${slip}: ${page.text}`);
      assert.equal(hiddenFields(page.text).return, '/desk', slip);
    }
    assert.equal(directory.requests.length, before, 'the directory is asked nothing');
  });

test('new password: a form that says of itself why it was shown can say nothing else', async (t) => {
  const { browser } = await siteOver(t, '532');
  const asked = await browser.signIn('alice', 'right');
  const fields = { ...hiddenFields(asked.text), reason: '<b>of somebody else</b>' };
  const page = await browser.post('/_gate/login', {
    ...fields,
    username: 'alice',
    password: 'right',
    newPassword: 'a',
    newPasswordAgain: 'b',
  });
  assert.equal(page.status, 400);
  assert.ok(page.text.includes(mustChange));
  assert.ok(!page.text.includes('somebody else'));
});

test('new password: one that the directory does not take is asked for again, and nobody is signed in', async (t) => {
  const { browser } = await siteOver(t, '773');
  const asked = await browser.signIn('alice', 'right');
  const page = await change(browser, asked, 'a-long-new-one');
  assert.equal(page.status, 400);
  assert.match(page.text, /The new password was not accepted/);
  assert.equal((await browser.open('/desk')).status, 302);
});

test('new password: where none could be set here the page says whom to ask, and offers no form for it', async (t) => {
  const { browser } = await siteOver(t, '532', { secure: false });
  const page = await browser.signIn('alice', 'right');
  assert.equal(page.status, 401);
  assert.match(page.text, /cannot be done here. Ask your administrator/);
  assert.doesNotMatch(page.text, /newPassword/);
  assert.match((await browser.signIn('alice', 'wrong')).text, /The user name or the password is wrong/);
});

/** Sends the form as the page shows it: the password that was right is not in it. */
function choose(browser: Visitor, page: Answer, next: string, again = next): Promise<Answer> {
  const fields = { username: 'alice', newPassword: next, newPasswordAgain: again };
  return browser.post('/_gate/login', { ...hiddenFields(page.text), ...fields });
}

test('new password: what was proved a moment ago is not asked for again, and stands on no page', async (t) => {
  const { browser, directory } = await siteOver(t, '773');
  const asked = await browser.signIn('alice', 'right', '/desk');
  assert.match(asked.text, /Account <bdi>alice<\/bdi>/);
  assert.doesNotMatch(asked.text, /name="password"|current-password|right/);
  assert.match(asked.text, /id="rules">Longer is better/);
  const slip = await choose(browser, asked, 'a-long-new-one', 'another');
  assert.equal(slip.status, 400);
  assert.doesNotMatch(slip.text, /name="password"/);
  const same = await choose(browser, slip, 'right');
  assert.match(same.text, /must differ from the current one/);
  const before = directory.requests.length;
  const taken = await choose(browser, same, 'a-long-new-one');
  assert.ok(directory.requests.length > before, 'the directory is asked with the password of before');
  assert.match(taken.text, /The new password was not accepted/);
  assert.doesNotMatch(taken.text, /name="password"/, 'nor after the directory has refused');
});

test('new password: the proof of one browser is nothing in another, and nothing when it is made up', async (t) => {
  const { browser, directory } = await siteOver(t, '773');
  const asked = await browser.signIn('alice', 'right');
  const { proof = '' } = hiddenFields(asked.text);
  assert.match(proof, /^[\w-]{22}$/);
  const other = new Visitor(new URL(browser.origin));
  const page = await other.open('/_gate/login');
  const before = directory.requests.length;
  for (const id of [proof, 'A'.repeat(22), '../x', '']) {
    const answer = await other.post('/_gate/login', {
      ...hiddenFields(page.text),
      ...{ proof: id, username: 'alice', newPassword: 'a-long-new-one', newPasswordAgain: 'a-long-new-one' },
    });
    assert.equal(answer.status, 400, id);
    assert.match(answer.text, /Enter your current password once more/);
    assert.match(answer.text, /name="password"/);
  }
  assert.equal(directory.requests.length, before, 'the directory is asked nothing');
});
