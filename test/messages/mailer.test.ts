/** Mails through a real SMTP server: in each way to secure them, refused, frozen, and with hostile words. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Failure } from '../../src/core/failure.ts';
import { Secret } from '../../src/core/secret.ts';
import { Mailer } from '../../src/messages/mailer.ts';
import type { MailOptions } from '../../src/messages/options.ts';
import { readAuthorities } from '../../src/tls/authorities.ts';
import { needsSmtpServer, startSmtpServer } from '../support/servers/smtp-server.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { timed } from '../support/tools/stopwatch.ts';

const mail = { to: 'agent1@example.com', subject: 'Your sign-in code', text: 'The code is 012345.' };

/** A mailer for a server of a test; it ends with it. */
function mailerFor(
  t: TestContext,
  port: number,
  parts: Partial<Omit<MailOptions, 'url'>> & { security?: 'tls' | 'starttls' | 'none' } = {},
) {
  const { security = 'tls', ...more } = parts;
  const mailer = new Mailer({
    url: { host: 'localhost', port, security },
    from: { name: 'Sign-in', address: 'no-reply@cc.example.com' },
    ca: readAuthorities(testCertificates().ca, undefined),
    timeout: 20_000,
    ...more,
  } as MailOptions);
  t.after(() => mailer.close());
  return mailer;
}

async function failureOf(sent: Promise<void>): Promise<Failure> {
  const error = await sent.then(
    () => assert.fail('the mail was taken'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Failure, String(error));
  return error;
}

for (const security of ['tls', 'starttls', 'none'] as const)
  test(`mailer: a mail goes to one person, over ${security}`, needsSmtpServer, async (t) => {
    const server = await startSmtpServer(t, { security, user: 'gatehouse', password: 'hidden-word' });
    const mailer = mailerFor(t, server.port, { security, user: 'gatehouse', password: new Secret('hidden-word') });
    await mailer.verify(AbortSignal.timeout(20_000));
    assert.equal(server.mails.length, 0, 'a look sends nothing');
    await mailer.send(mail);
    const taken = await server.mailTo(mail.to);
    assert.deepEqual(taken.to, [mail.to]);
    assert.equal(taken.from, 'no-reply@cc.example.com');
    assert.equal(taken.secured, security !== 'none');
    assert.match(taken.content, /^From: "?Sign-in"? <no-reply@cc\.example\.com>$/m);
    assert.match(taken.content, /^Subject: Your sign-in code$/m);
    assert.match(taken.content, /The code is 012345\./);
  });

test('mailer: a subject is one line whatever it holds', needsSmtpServer, async (t) => {
  const server = await startSmtpServer(t);
  await mailerFor(t, server.port).send({ ...mail, subject: 'Hello\r\nBcc: thief@evil.example\r\n\r\nbody' });
  const taken = await server.mailTo(mail.to);
  assert.deepEqual(taken.to, [mail.to]);
  assert.doesNotMatch(taken.content, /^Bcc:/m);
});

test(
  'mailer: a server that offers no STARTTLS, another CA, a wrong name: nothing is sent',
  needsSmtpServer,
  async (t) => {
    const bare = await startSmtpServer(t, { security: 'none' });
    const stripped = await failureOf(mailerFor(t, bare.port, { security: 'starttls' }).send(mail));
    assert.match(stripped.message, /^mail server localhost:\d+: STARTTLS: /);
    assert.equal(bare.mails.length, 0);
    const files = testCertificates();
    const foreign = await startSmtpServer(t, { security: 'starttls' });
    const ca = readAuthorities(files.otherCa, undefined);
    const untrusted = await failureOf(mailerFor(t, foreign.port, { security: 'starttls', ca }).send(mail));
    assert.equal(untrusted.reason, 'tls-failed');
    assert.equal(foreign.mails.length, 0);
    for (const security of ['tls', 'starttls'] as const) {
      const named = await startSmtpServer(t, { security, certificate: files.wrongName });
      const failure = await failureOf(mailerFor(t, named.port, { security }).send(mail));
      assert.equal(failure.reason, 'tls-failed', security);
      assert.equal(named.mails.length, 0);
    }
  },
);

test(
  'mailer: what a server does not take is said, without its words and without a secret',
  needsSmtpServer,
  async (t) => {
    const refuse = { 'gone@example.com': '550 5.1.1 no gone@example.com here', 'full@example.com': '452 4.2.2 full' };
    const server = await startSmtpServer(t, { user: 'gatehouse', password: 'hidden-word', refuse });
    const mailer = mailerFor(t, server.port, { user: 'gatehouse', password: new Secret('hidden-word') });
    const gone = await failureOf(mailer.send({ ...mail, to: 'gone@example.com' }));
    assert.deepEqual([gone.reason, gone.answer], ['send-failed', 550]);
    const full = await failureOf(mailer.send({ ...mail, to: 'full@example.com' }));
    assert.deepEqual([full.reason, full.answer], ['unreachable', 452]);
    const wrong = mailerFor(t, server.port, { user: 'gatehouse', password: new Secret('another-word') });
    const refused = await failureOf(wrong.send(mail));
    assert.equal(refused.reason, 'misconfigured');
    for (const { message, hint } of [gone, full, refused])
      assert.doesNotMatch(`${message} ${hint}`, /example\.com|hidden-word|another-word|012345/);
    await mailer.send(mail);
  },
);

test(
  'mailer: a frozen server costs its time and no more, and mails go again when it is back',
  needsSmtpServer,
  async (t) => {
    const server = await startSmtpServer(t);
    const mailer = mailerFor(t, server.port, { timeout: 1000 });
    await mailer.send(mail);
    server.freeze();
    const { value: failures, milliseconds } = await timed(
      Promise.all(Array.from({ length: 8 }, () => failureOf(mailer.send(mail)))),
    );
    assert.ok(milliseconds < 10_000, 'two rounds of four, a second each');
    for (const failure of failures) assert.equal(failure.reason, 'timed-out');
    server.thaw();
    await mailer.send({ ...mail, to: 'later@example.com' });
    await server.mailTo('later@example.com');
  },
);

test('mailer: a closed port, and a port that speaks something else, are named', async (t) => {
  const silent = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1');
  t.after(() => silent.close());
  await new Promise((resolve) => silent.once('listening', resolve));
  const { port } = silent.address() as { port: number };
  const odd = await failureOf(mailerFor(t, port, { security: 'none' }).send(mail));
  assert.match(odd.message, new RegExp(`^mail server localhost:${port}: `));
  silent.close();
  const closed = await failureOf(mailerFor(t, port, { security: 'none' }).send(mail));
  assert.deepEqual([closed.reason], ['unreachable']);
});
