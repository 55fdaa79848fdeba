/** Each form of the portal counts with the token that its page gave to this very browser, and with no other. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { passwords, site } from '../support/scenes/site.ts';
import { hiddenFields, type Visitor } from '../support/scenes/visitor.ts';

/** As a browser sends that says nothing of where a form comes from: the token alone tells. */
const unsaid = { 'content-type': 'application/x-www-form-urlencoded' };

/** Two browsers of the agent, and one that is not signed in; the tokens that the pages of each hold. */
async function world(t: TestContext) {
  const { visitor, audit } = await site(t);
  const [mine, other, stranger] = [visitor(), visitor(), visitor()];
  for (const browser of [mine, other]) await browser.mustSignIn('agent1', passwords.agent1);
  const tokenOf = async (browser: Visitor, address: string): Promise<string> => {
    const { form } = hiddenFields((await browser.open(address)).text);
    assert.ok(form, address);
    return form;
  };
  const send = (
    browser: Visitor,
    address: string,
    form: string | undefined,
    fields: Readonly<Record<string, string>>,
  ) =>
    browser.open(address, {
      method: 'POST',
      headers: unsaid,
      body: new URLSearchParams({ ...fields, ...(form !== undefined && { form }) }).toString(),
    });
  return { mine, other, stranger, audit, tokenOf, send };
}

const logInAddress = '/_gate/login?switch=1';
const forms = {
  '/_gate/login': [logInAddress, { username: 'supervisor1', password: passwords.supervisor1 }, 400, 303],
  '/_gate/logout': ['/_gate/logout', {}, 403, 200],
  '/_gate/session': ['/_gate/session', { end: 'others' }, 403, 303],
} as const;

for (const [address, [page, fields, refused, taken]] of Object.entries(forms))
  test(`forms: ${address} takes the token of its own page in this browser, and no other`, async (t) => {
    const { mine, other, stranger, audit, tokenOf, send } = await world(t);
    const good = await tokenOf(mine, page);
    const another = page === '/_gate/logout' ? logInAddress : '/_gate/logout';
    const wrong = {
      none: undefined,
      'an empty one': '',
      'one that was changed': (good.startsWith('A') ? 'B' : 'A') + good.slice(1),
      'the beginning of the right one': good.slice(0, -1),
      'one of another browser of the same user': await tokenOf(other, page),
      'one of a browser of nobody': await tokenOf(stranger, logInAddress),
      'one of another form of this browser': await tokenOf(mine, another),
    };
    const cookies = mine.cookieHeader;
    for (const [name, form] of Object.entries(wrong)) {
      assert.equal((await send(mine, address, form, fields)).status, refused, name);
      assert.equal(mine.cookieHeader, cookies, name);
      assert.deepEqual([(await mine.fetch('/x')).status, (await other.fetch('/x')).status], [200, 200], name);
    }
    assert.equal(audit('login').filter(({ outcome }) => outcome === 'succeeded').length, 2, 'nobody else came in');
    assert.equal((await send(mine, address, good, fields)).status, taken, 'and the right one counts');
  });
