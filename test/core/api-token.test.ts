/** The looks of API tokens: told at sight, a slip told from a guess, and taken out of every log by their looks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createApiToken, holdsApiToken, readApiToken } from '../../src/core/api-token.ts';
import { scrubText } from '../../src/telemetry/scrub-text.ts';
import { trials } from '../support/tools/properties.ts';

test('api token: it is read again, with its id, and any slip is seen', () => {
  const { id, text } = createApiToken();
  const token = text.reveal();
  assert.match(token, /^gha_[0-9A-Za-z]{59}$/);
  assert.deepEqual(readApiToken(token), { kind: 'token', id });
  assert.equal(String(text), '[secret]');
  fc.assert(
    fc.property(fc.integer({ min: 4, max: token.length - 1 }), fc.constantFrom(...'0aZ9'), (at, sign) => {
      const slip = token.slice(0, at) + sign + token.slice(at + 1);
      assert.equal(readApiToken(slip).kind, slip === token ? 'token' : 'mistyped');
    }),
    trials(100),
  );
  const swapped = `${token.slice(0, 20)}${token[21]}${token[20]}${token.slice(22)}`;
  assert.equal(readApiToken(swapped).kind, swapped === token ? 'token' : 'mistyped');
  for (const odd of [token.slice(0, -1), `${token}0`, `${token} `, `${token}\n`, 'gha_', `gha_${'0'.repeat(59)}`])
    assert.equal(readApiToken(odd).kind, 'mistyped', odd);
  for (const other of ['', 'Gha_x', ` ${token}`, 'eyJhbGciOi']) assert.equal(readApiToken(other).kind, 'other', other);
});

test('api token: no two are alike, and none is left in what a log has', () => {
  const made = Array.from({ length: 200 }, () => createApiToken());
  assert.equal(new Set(made.map(({ id }) => id)).size, 200);
  for (const { text } of made) {
    const token = text.reveal();
    for (const line of [token, `/x?t=${token}&a=b`, `x-auth-token ${token}`, `"${token}"`, `gha%5F${token.slice(4)}`]) {
      assert.equal(scrubText(line).includes(token.slice(4)), false, line);
      assert.equal(holdsApiToken(line), line.includes('gha_'));
    }
  }
});
