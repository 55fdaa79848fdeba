/** Codes by text message: the contract through an HTTP gateway, where nothing is sent to, and the budget. */
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Account, accountNamed } from '../../src/core/account.ts';
import { sms } from '../../src/factors/sms/index.ts';
import { askTerms, factorContract, factorWorld } from '../contract/factor.ts';
import { keptLog } from '../support/tools/log-lines.ts';

const numbers: Readonly<Record<string, string>> = { alice: '06 12 34 56 78', bob: '+33612345679' };
const numberOf = ({ subject }: { subject: string }) => ({ mobile: [numbers[subject] ?? ''] });
const alice = accountNamed('alice');

interface Sent {
  readonly to: string;
  readonly text: string;
}

/** A gateway of a test. */
async function serve(t: TestContext, answer: (response: ServerResponse) => void = (response) => void response.end()) {
  const sent: Sent[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    sent.push(JSON.parse(body));
    answer(response);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { sent, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/messages` };
}

function optionsFor(url: string, more: object = {}) {
  const fields = { to: `\${to}`, text: `\${text}` };
  const given = { gateway: { url, fields, timeout: '1s' }, from: 'ACME', countries: ['+33'], defaultCountry: '+33' };
  return sms.options.parse({ ...given, ...more });
}

const codeIn = (text = '') => /^(\d+) is/.exec(text)?.[1] ?? '';
const sentCodes: string[] = [];

factorContract('sms', async (t, world) => {
  const { sent, url } = await serve(t);
  const codeTo = (subject: string) => {
    const number = subject === 'bob' ? '+33612345679' : '+33612345678';
    const code = codeIn(sent.findLast(({ to }) => to === number)?.text);
    sentCodes.push(code);
    return code;
  };
  return {
    factor: sms.create(optionsFor(url), world),
    prepare: async () => undefined,
    attributes: numberOf,
    right: async ({ subject }: Account) => ({ code: codeTo(subject) }),
    wrong: {
      'a wrong code': ({ subject }) => ({ code: codeTo(subject) === '000000' ? '000001' : '000000' }),
      'no code': () => ({}),
      letters: () => ({ code: 'abcdef' }),
    },
    outages: {
      'a gateway that hangs': async () => ({
        factor: sms.create(optionsFor((await serve(t, () => undefined)).url), world),
        timeout: 2000,
      }),
      'a gateway that fails': async () => ({
        factor: sms.create(optionsFor((await serve(t, (response) => void response.writeHead(500).end())).url), world),
        timeout: 2000,
      }),
    },
    secrets: () => [...sentCodes, '+33612345678'],
  };
});

test('sms: the last line has phones fill the code in for this host alone', async (t) => {
  const { sent, url } = await serve(t);
  const factor = sms.create(optionsFor(url, { digits: 4 }), factorWorld(keptLog()));
  const outcome = await factor.ask(alice, [], askTerms(alice, numberOf(alice)));
  assert.ok(outcome.kind === 'asked');
  assert.deepEqual(outcome.challenge.page, { kind: 'code', digits: 4, contact: '•••• 78', sendsLeft: 2 });
  const [message] = sent;
  assert.equal(message?.to, '+33612345678');
  assert.match(message?.text ?? '', /^(\d{4}) is your sign-in code for The Site\. .*\n\n@cc\.example\.com #\1$/s);
});

test('2F15: nothing is sent abroad, however the number is written', async (t) => {
  const { sent, url } = await serve(t);
  const factor = sms.create(optionsFor(url), factorWorld(keptLog()));
  for (const mobile of [
    '+15551234567',
    '0015551234567',
    '+1 (555) 123-4567',
    '+33612345678,+15551234567',
    '+330612',
    '',
  ]) {
    const terms = askTerms(alice, { mobile: [mobile] });
    assert.equal(await factor.isUsable?.(alice, [], terms), false, mobile);
    assert.deepEqual(await factor.ask(alice, [], terms), { kind: 'refused', reason: 'contact-missing' }, mobile);
  }
  assert.equal(sent.length, 0);
});

test('sms: beyond the budget of the site nothing is sent, and the operator is told', async (t) => {
  const { sent, url } = await serve(t);
  const log = keptLog();
  const factor = sms.create(optionsFor(url, { budget: { count: 5, per: '1d' } }), factorWorld(log));
  const users = Array.from({ length: 20 }, (_, index) => accountNamed(`agent${index}`));
  const outcomes = await Promise.all(
    users.map((user, index) =>
      factor.ask(user, [], askTerms(user, { mobile: [`06123456${String(index).padStart(2, '0')}`] })),
    ),
  );
  assert.equal(outcomes.filter(({ kind }) => kind === 'asked').length, 5);
  assert.equal(
    outcomes.filter((outcome) => outcome.kind === 'refused' && outcome.reason === 'budget-spent').length,
    15,
  );
  assert.equal(sent.length, 5);
  assert.match(log.text(), /the budget of messages is spent/);
});

test('sms: options that could send nowhere, or anywhere, are no options', () => {
  const given = { gateway: { url: 'http://127.0.0.1/', fields: { to: `\${to}`, text: `\${text}` } }, from: 'ACME' };
  const faults = (more: object) =>
    sms.options.safeParse({ ...given, ...more }).error?.issues.map(({ path }) => path.join('.'));
  assert.deepEqual(faults({}), ['countries']);
  assert.deepEqual(faults({ countries: [] }), ['countries']);
  assert.deepEqual(faults({ countries: ['33'] }), ['countries.0']);
  assert.deepEqual(faults({ countries: ['+33'], digits: 3 }), ['digits']);
  assert.deepEqual(faults({ countries: ['+33'], from: 'a sender that is too long' }), ['from']);
  const parsed = sms.options.parse({ ...given, countries: ['+33'], defaultCountry: '+32' });
  const site = { publicUrl: new URL('https://cc.example.com'), sendsMail: false };
  assert.deepEqual(
    sms.checkTogether?.(parsed, site).map(({ key }) => key),
    ['defaultCountry'],
  );
});
