/** Codes by mail: the contract through a real SMTP server, what is sent and to whom, and servers that are away. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { accountNamed } from '../../src/core/account.ts';
import { mail } from '../../src/factors/mail/index.ts';
import { Mailer } from '../../src/messages/mailer.ts';
import { mailOptions } from '../../src/messages/options.ts';
import { askTerms, type FactorWorld, factorContract, factorWorld } from '../contract/factor.ts';
import { needsSmtpServer, type SmtpServer, startSmtpServer } from '../support/servers/smtp-server.ts';
import { freePort } from '../support/tools/free-port.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { until } from '../support/tools/poll.ts';

const options = mail.options.parse({});
const alice = accountNamed('alice');
const addressOf = ({ subject }: { subject: string }) => ({ email: [`${subject}@example.com`] });

/** Knows how many mails the server has taken; what the server has written of them may come a little later. */
class CountingMailer extends Mailer {
  taken = 0;

  override async send(...parts: Parameters<Mailer['send']>): Promise<void> {
    await super.send(...parts);
    this.taken += 1;
  }
}

/** The code in the last mail to somebody. */
async function codeTo(server: SmtpServer, mailer: CountingMailer, subject: string): Promise<string> {
  await until('the mails are written down', () => server.mails.length >= mailer.taken);
  const last = server.mails.findLast(({ to }) => to.includes(`${subject}@example.com`));
  return /^ {4}(\d+)/m.exec(last?.content ?? '')?.[1] ?? '';
}

function mailerTo(t: TestContext, url: string, timeout = '10s'): CountingMailer {
  const mailer = new CountingMailer(mailOptions.parse({ url, from: 'no-reply@cc.example.com', timeout }));
  t.after(() => mailer.close());
  return mailer;
}

const sentCodes: string[] = [];

if (needsSmtpServer.skip) test('mail: the contract', needsSmtpServer, () => undefined);
else
  factorContract('mail', async (t, world) => {
    const server = await startSmtpServer(t, { security: 'none' });
    const mailer = mailerTo(t, server.url);
    const withMailer = (url: string, timeout?: string): FactorWorld => ({
      ...world,
      mailer: mailerTo(t, url, timeout),
    });
    const right = async ({ subject }: { subject: string }) => {
      const code = await codeTo(server, mailer, subject);
      sentCodes.push(code);
      return { code };
    };
    const closed = await freePort();
    return {
      factor: mail.create(options, { ...world, mailer }),
      prepare: async () => undefined,
      attributes: addressOf,
      right,
      wrong: {
        'a wrong code': async (account) => ({ code: (await right(account)).code === '000000' ? '000001' : '000000' }),
        'no code': () => ({}),
        'a code that is too short': () => ({ code: '1234' }),
        letters: () => ({ code: 'abcdef' }),
      },
      outages: {
        'a closed port': async () => ({
          factor: mail.create(options, withMailer(`insecure-smtp://127.0.0.1:${closed}`)),
          timeout: 2000,
        }),
        'a frozen server': async () => {
          const frozen = await startSmtpServer(t, { security: 'none' });
          frozen.freeze();
          return { factor: mail.create(options, withMailer(frozen.url, '1s')), timeout: 2000 };
        },
      },
      secrets: () => sentCodes,
    };
  });

/** A factor over a real server, with everything that a test looks at. */
async function scene(t: TestContext, given: object = {}, server?: Parameters<typeof startSmtpServer>[1]) {
  const smtp = await startSmtpServer(t, { security: 'none', ...server });
  const mailer = mailerTo(t, smtp.url);
  const world = { ...factorWorld(keptLog()), mailer };
  const factor = mail.create(mail.options.parse(given), world);
  const ask = (previous?: unknown, parts: object = {}) =>
    factor.ask(alice, [], {
      ...askTerms(alice, addressOf(alice)),
      ...(previous !== undefined && { previous }),
      ...parts,
    });
  const asked = async (previous?: unknown) => {
    const outcome = await ask(previous);
    assert.ok(outcome.kind === 'asked', JSON.stringify(outcome));
    return { ...outcome.challenge, code: await codeTo(smtp, mailer, 'alice') };
  };
  const answer = (state: unknown, code: string) =>
    factor.verify(alice, {
      fields: new Map([['code', code]]),
      enrolments: [],
      state,
      signal: AbortSignal.timeout(10_000),
    });
  /** Everything that was sent until here. */
  const mails = async () => {
    await until('the mails are written down', () => smtp.mails.length >= mailer.taken);
    return smtp.mails;
  };
  return { mails, world, factor, ask, asked, answer };
}

test(
  'mail: a code goes to the one address, masked on the page, and is in neither subject nor state',
  needsSmtpServer,
  async (t) => {
    const { mails, asked } = await scene(t, { digits: 8 });
    const { page, state, code } = await asked();
    assert.match(code, /^\d{8}$/);
    assert.deepEqual(page, { kind: 'code', digits: 8, contact: 'a•••e@example.com', sendsLeft: 2 });
    const [taken] = await mails();
    assert.match(taken?.content ?? '', /^Subject: Your sign-in code for The Site\r?$/m);
    assert.doesNotMatch(taken?.content ?? '', /^Subject:.*\d{4}/m);
    assert.doesNotMatch(taken?.content ?? '', /https?:\/\//, 'no links');
    assert.ok(!JSON.stringify(state).includes(code));
  },
);

test('mail: in the language of the page, with the subject of the operator', needsSmtpServer, async (t) => {
  const { mails, ask } = await scene(t, { subject: { en: 'Code', fr: 'Votre accès' } });
  await ask(undefined, { language: 'fr' });
  const content = (await mails())[0]?.content ?? '';
  assert.match(content, /^Subject: =\?UTF-8\?/im);
  assert.match(content, /Votre code/);
});

test(
  'mail: after another code the one before stays valid until its own end; entries count over both',
  needsSmtpServer,
  async (t) => {
    const { asked, answer, world } = await scene(t, { expires: '5m', tries: 2, afterTries: 'other' });
    const first = await asked();
    world.clock.advance(200_000);
    const second = await asked(first.state);
    assert.equal((await answer(second.state, first.code)).kind, 'verified');
    assert.deepEqual(await answer(second.state, first.code), { kind: 'rejected', reason: 'code-replayed' });
    world.clock.advance(150_000);
    assert.deepEqual(await answer(second.state, first.code), {
      kind: 'rejected',
      reason: 'code-expired',
      next: 'resend',
    });
    const wrong = second.code === '000000' ? '000001' : '000000';
    const once = await answer(second.state, wrong);
    assert.ok(once.kind === 'rejected' && once.next === undefined);
    const twice = await answer(once.state, wrong);
    assert.ok(twice.kind === 'rejected' && twice.next === 'other');
    assert.deepEqual(await answer(twice.state, second.code), {
      kind: 'rejected',
      reason: 'code-expired',
      next: 'resend',
    });
  },
);

test('mail: so many codes a login, and a wait between two', needsSmtpServer, async (t) => {
  const { asked, ask, world, mails } = await scene(t, { sends: 2, afterSends: 'help' });
  Object.assign(world.sendRules, { wait: 30_000 });
  const first = await asked();
  const early = await ask(first.state);
  assert.deepEqual(early, { kind: 'refused', reason: 'too-many-sends', retryAfter: 30_000 });
  world.clock.advance(30_000);
  const second = await asked(first.state);
  world.clock.advance(30_000);
  assert.deepEqual(await ask(second.state), { kind: 'refused', reason: 'too-many-sends', next: 'help' });
  assert.equal((await mails()).length, 2);
});

test('2F15: many logins of one account have no more sent than the account may', needsSmtpServer, async (t) => {
  const { ask, world, mails } = await scene(t);
  Object.assign(world.sendRules, { account: { count: 10, per: 3_600_000 } });
  const outcomes = await Promise.all(Array.from({ length: 60 }, () => ask()));
  assert.equal(outcomes.filter(({ kind }) => kind === 'asked').length, 10);
  assert.equal((await mails()).length, 10);
});

test(
  '2F15: an address counts as the lock-out counts it, and a mailbox in whatever case',
  needsSmtpServer,
  async (t) => {
    const { ask, world } = await scene(t);
    Object.assign(world.sendRules, { address: { count: 2, per: 3_600_000 } });
    const from = (address: string, email = 'alice@example.com') =>
      ask(undefined, { address, assertion: { ...askTerms(alice).assertion, attributes: { email: [email] } } });
    assert.equal((await from('2001:db8::1')).kind, 'asked');
    assert.equal((await from('2001:db8::2')).kind, 'asked');
    assert.equal((await from('2001:db8::ffff:3')).kind, 'refused', 'one network of a host');
    assert.equal((await from('2001:db8:0:1::1')).kind, 'asked');
    Object.assign(world.sendRules, { contact: { count: 3, per: 3_600_000 } });
    assert.equal((await from('2001:db8:0:2::1', 'Alice@Example.com')).kind, 'refused');
  },
);

test('mail: an address that an issuer has not verified is nobody’s word', needsSmtpServer, async (t) => {
  const { factor, mails } = await scene(t);
  const terms = askTerms(alice, { email: ['mallory@evil.example'], mail: ['alice@example.com'] });
  const unverified = { ...terms, assertion: { ...terms.assertion, record: { unverifiedEmail: true as const } } };
  assert.equal(await factor.isUsable?.(alice, [], terms), true);
  assert.equal(await factor.isUsable?.(alice, [], unverified), false);
  assert.deepEqual(await factor.ask(alice, [], unverified), { kind: 'refused', reason: 'contact-missing' });
  assert.equal((await mails()).length, 0);
  const other = await scene(t, { contact: { attribute: 'mail' } });
  assert.equal(await other.factor.isUsable?.(alice, [], unverified), true, 'the issuer says nothing of it');
});

test('mail: one that is not delivered is said, and counts as none of the sends', needsSmtpServer, async (t) => {
  const { ask, world } = await scene(t, {}, { refuse: { 'alice@example.com': '550 no' } });
  Object.assign(world.sendRules, { account: { count: 1, per: 3_600_000 } });
  for (let times = 0; times < 3; times += 1) assert.deepEqual(await ask(), { kind: 'refused', reason: 'send-failed' });
});

test('mail: no address, or more than one in a value, is no contact', needsSmtpServer, async (t) => {
  const { factor, mails } = await scene(t);
  for (const email of [[], [''], ['a@x.example,b@y.example'], ['a@x.example\r\nBcc: b@y.example']]) {
    const terms = askTerms(alice, { email });
    assert.equal(await factor.isUsable?.(alice, [], terms), false);
    assert.deepEqual(await factor.ask(alice, [], terms), { kind: 'refused', reason: 'contact-missing' });
  }
  assert.equal((await mails()).length, 0);
});

test(
  'mail: a code that was sent opens nothing for another account, factor, or site key',
  needsSmtpServer,
  async (t) => {
    const { asked, factor, world } = await scene(t);
    const { state, code } = await asked();
    const response = { fields: new Map([['code', code]]), enrolments: [], state, signal: AbortSignal.timeout(10_000) };
    assert.equal((await factor.verify(accountNamed('bob'), response)).kind, 'rejected');
    assert.equal((await factor.verify(accountNamed('alice', 'globex'), response)).kind, 'rejected');
    const other = mail.create(options, { ...world, name: 'another' });
    assert.equal((await other.verify(alice, response)).kind, 'rejected');
    const foreign = mail.create(options, { ...world, sealer: factorWorld(keptLog()).sealer });
    assert.equal((await foreign.verify(alice, response)).kind, 'rejected');
    assert.equal((await factor.verify(alice, response)).kind, 'verified');
  },
);
