/** The short code of a request: the same wherever it is worked out, and read however somebody tells it. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { readReferenceCode, referenceCode } from '../../src/core/reference-code.ts';

test('reference code: eight signs of Crockford’s alphabet, always the same for a request', () => {
  const codes = Array.from({ length: 500 }, () => referenceCode(randomUUID()));
  for (const code of codes) assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/);
  assert.equal(new Set(codes).size, 500);
  const signs = new Set(codes.join('').replaceAll('-', ''));
  assert.equal(signs.size, 32, 'every sign comes');
  assert.equal(referenceCode('a'), referenceCode('a'));
});

test('reference code: small letters, no hyphen, and letters that are read as digits', () => {
  for (const told of ['7K3M-9QXD', '7k3m-9qxd', '7k3m9qxd', ' 7K3M 9QXD ', '7k-3m-9q-xd'])
    assert.equal(readReferenceCode(told), '7K3M-9QXD', told);
  assert.equal(readReferenceCode('OIL0-oil0'), '0110-0110');
  for (const odd of ['', '7K3M-9QX', '7K3M-9QXDD', '7K3M-9QXU', '../../etc', '7K3M-9QX!'])
    assert.equal(readReferenceCode(odd), undefined, odd);
});
