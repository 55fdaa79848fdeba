/** One address is one: what a directory or a form holds must never become two recipients, or another's number. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mailAddress, maskedAddress, maskedNumber, phoneNumber } from '../../src/messages/contacts.ts';

test('contacts: a mail address is exactly one', () => {
  for (const [text, address] of [
    ['agent1@Example.COM', 'agent1@example.com'],
    [' a.b+c@cc.example.com ', 'a.b+c@cc.example.com'],
    ['zoë@exämple.org', 'zoë@exämple.org'],
    ['root@localhost', 'root@localhost'],
  ])
    assert.equal(mailAddress(text ?? ''), address, text);
  const none = [
    '',
    'a',
    '@b.example',
    'a@',
    'a@b@c.example',
    'a@x.example,b@y.example',
    'a@x.example;b@y.example',
    'a b@x.example',
  ];
  const hostile = [
    'a@x.example\r\nBcc: b@y.example',
    'list: a@x.example;',
    '"a b"@x.example',
    '<a@x.example>',
    'a@[127.0.0.1]',
    'a@127.0.0.1',
  ];
  const odd = [
    '.a@x.example',
    'a..b@x.example',
    'a@-x.example',
    'a@x..example',
    `${'a'.repeat(65)}@x.example`,
    'a\u0000@x.example',
    'a@x.example\u200b',
  ];
  for (const text of [...none, ...hostile, ...odd]) assert.equal(mailAddress(text), undefined, JSON.stringify(text));
});

test('contacts: a number is read as people write it, and only of the countries that are sent to', () => {
  const plan = { countries: ['+33', '+32'], defaultCountry: '+33' };
  const read = (text: string) => {
    const reading = phoneNumber(text, plan);
    return reading.kind === 'number' ? reading.number : reading.kind;
  };
  assert.equal(read('06 12 34 56 78'), '+33612345678');
  assert.equal(read('+33 (6) 12-34.56/78'), '+33612345678');
  assert.equal(read('0033612345678'), '+33612345678');
  assert.equal(read('０６１２３４５６７８'), '+33612345678');
  assert.equal(read('+32470123456'), '+32470123456');
  assert.equal(read('+15551234567'), 'foreign');
  assert.equal(read('0015551234567'), 'foreign');
  assert.equal(phoneNumber('0612345678', { countries: ['+33'] }).kind, 'no-number');
  for (const text of [
    '',
    '+33',
    'agent',
    '+33612345678,+33612345679',
    '+33612345678x9',
    '+0612345678',
    '+336123456789012345',
    '++33612345678',
  ])
    assert.equal(read(text), 'no-number', text);
});

test('contacts: what a page shows is enough for the owner alone', () => {
  assert.equal(maskedAddress('agent1@example.com'), 'a•••1@example.com');
  assert.equal(maskedAddress('ab@example.com'), 'a•••@example.com');
  assert.equal(maskedNumber('+33612345642'), '•••• 42');
});
