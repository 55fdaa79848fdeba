/** The page on which RADIUS asks for one more answer: what it is bound to, what it costs, and what it gives. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { site, siteConfig } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { needsFreeRadius, startFreeRadius } from '../support/servers/freeradius.ts';
import { startUpstream } from '../support/servers/upstream.ts';

const users = {
  alice: { password: 'alice-2b7f90', codes: ['123456'] },
  bob: { password: 'bob-51c2aa', codes: ['111111', '222222'] },
};

async function challengeSite(t: TestContext, { login = {}, radius = {} }: { login?: object; radius?: object } = {}) {
  const server = await startFreeRadius(t, { users });
  const upstream = await startUpstream(t);
  const { address: servers, secret } = server;
  const config = {
    ...siteConfig(upstream.origin),
    login: { chain: ['tokens', 'local'], lockout: { user: 3, address: 50, delay: '1m' }, ...login },
    providers: { tokens: { type: 'radius', servers, secret, timeout: '1s', ...radius } },
  };
  return { ...(await site(t, { config })), server, upstream };
}

function answer(browser: Visitor, page: Answer, code: string): Promise<Answer> {
  return browser.post('/_gate/login', { ...hiddenFields(page.text), code });
}

test(
  'challenge: the prompt is shown, nobody is in before the answer, and the right one leads on',
  needsFreeRadius,
  async (t) => {
    const { visitor, upstream, audit, lines } = await challengeSite(t);
    const browser = visitor();
    const page = await browser.signIn('alice', users.alice.password, '/desk?x=1');
    assert.equal(page.status, 200);
    assert.match(page.text, /Code 1 of alice/);
    assert.match(page.text, /autocomplete="one-time-code"/);
    assert.ok(!page.text.includes(users.alice.password));
    assert.equal((await browser.open('/desk')).status, 302, 'no session yet');
    assert.equal((await browser.fetch('/_gate/session')).status, 401);
    assert.equal(upstream.received.length, 0);
    const done = await answer(browser, page, '１２３ 456');
    assert.equal(done.status, 303, done.text);
    assert.equal(done.headers.location, '/desk?x=1');
    assert.equal((await browser.open('/desk')).status, 200);
    assert.deepEqual(
      audit('login').map(({ outcome }) => outcome),
      ['pending', 'succeeded'],
    );
    for (const secret of [users.alice.password, '123456']) assert.ok(!lines.join('\n').includes(secret));
  },
);

test('challenge: two rounds, each on its own page; nothing typed is asked for again', needsFreeRadius, async (t) => {
  const { visitor } = await challengeSite(t);
  const browser = visitor();
  const first = await browser.signIn('bob', users.bob.password, '/desk');
  const empty = await answer(browser, first, ' ');
  assert.match(empty.text, /Code 1 of bob/);
  const second = await answer(browser, empty, '111111');
  assert.match(second.text, /Code 2 of bob/);
  assert.equal((await answer(browser, second, '222222')).status, 303);
});

test(
  'challenge: asking counts for nothing, a wrong answer counts, and a right password does not make up for it',
  needsFreeRadius,
  async (t) => {
    const { visitor, audit } = await challengeSite(t);
    for (let round = 0; round < 5; round++)
      assert.equal(
        (await visitor().signIn('alice', users.alice.password, '/desk')).status,
        200,
        'asked again and again',
      );
    for (let failure = 0; failure < 3; failure++) {
      const browser = visitor();
      const page = await browser.signIn('alice', users.alice.password, '/desk');
      const wrong = await answer(browser, page, '999999');
      assert.equal(wrong.status, 401);
      assert.match(wrong.text, /The user name or the password is wrong/);
    }
    assert.equal(audit('login').at(-1)?.reason, 'code-wrong');
    assert.equal((await visitor().signIn('alice', users.alice.password, '/desk')).status, 429);
  },
);

test(
  'challenge: it serves its browser alone, once, and a form sent twice comes back to the session',
  needsFreeRadius,
  async (t) => {
    const { visitor } = await challengeSite(t);
    const browser = visitor();
    const page = await browser.signIn('alice', users.alice.password, '/desk');
    const thief = visitor();
    const theirs = hiddenFields((await thief.open('/_gate/login')).text);
    const { challenge = '' } = hiddenFields(page.text);
    const stolen = await thief.post('/_gate/login', { ...theirs, challenge, code: '123456' });
    assert.equal(stolen.status, 400);
    assert.match(stolen.text, /took too long|expired|start again/i);
    assert.equal((await thief.open('/desk')).status, 302);
    const both = await Promise.all([answer(browser, page, '123456'), answer(browser, page, '123456')]);
    const statuses = both.map(({ status }) => status).toSorted();
    assert.equal(statuses[0], 303);
    const late = await answer(browser, page, '123456');
    assert.equal(late.status, 303, 'back to where the first one led');
  },
);

test(
  'challenge: it is a second factor where the operator says so, and nothing more elsewhere',
  needsFreeRadius,
  async (t) => {
    const enough = await challengeSite(t, { login: { level: 2 }, radius: { challengeLevel: 2 } });
    const browser = enough.visitor();
    const page = await browser.signIn('alice', users.alice.password, '/desk');
    assert.equal((await answer(browser, page, '123456')).status, 303);
    assert.equal((await browser.open('/desk')).status, 200);
    const config = { login: { level: 2 }, radius: { challengeLevel: 1 } };
    await assert.rejects(challengeSite(t, config), /nobody can reach/);
  },
);

test(
  'challenge: an outage between question and answer is one, and is counted against nobody',
  needsFreeRadius,
  async (t) => {
    const { visitor, server } = await challengeSite(t);
    const browser = visitor();
    const page = await browser.signIn('alice', users.alice.password, '/desk');
    server.pause();
    const late = await answer(browser, page, '123456');
    assert.equal(late.status, 503);
    server.resume();
    const again = await browser.signIn('alice', users.alice.password, '/desk');
    assert.equal((await answer(browser, again, '123456')).status, 303);
  },
);
