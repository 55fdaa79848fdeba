/** Sealing: what opens, and what does not. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import { trials } from '../support/tools/properties.ts';

const key = (fill = 1): SealKey => new SealKey(Buffer.alloc(32, fill));

test('seal: any text comes back as it was, in its own context only, and never looks the same twice', () => {
  const text = fc.string({ unit: 'grapheme' });
  fc.assert(
    fc.property(text, text, text, (said, context, other) => {
      const sealed = key().seal(said, context);
      assert.equal(key().open(sealed, context), said);
      assert.equal(key(2).open(sealed, context), undefined);
      if (other !== context) assert.equal(key().open(sealed, other), undefined);
      assert.notDeepEqual(key().seal(said, context), sealed);
    }),
    trials(200),
  );
});

test('seal: one bit changed, a byte cut off, a short tag: nothing opens', () => {
  const sealed = key().seal('a secret', 'kind:name');
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(key().open(changed, 'kind:name'), undefined, `bit at ${at}`);
    assert.equal(key().open(sealed.subarray(0, at), 'kind:name'), undefined, `cut at ${at}`);
  }
});

test('seal: a key of another length is refused, and an id tells nothing of its key', () => {
  for (const length of [0, 16, 31, 33]) assert.throws(() => new SealKey(randomBytes(length)), RangeError);
  const bytes = randomBytes(32);
  const { id } = new SealKey(bytes);
  assert.match(id, /^[\w-]{8}$/);
  assert.equal(new SealKey(Buffer.from(bytes)).id, id);
  assert.ok(!bytes.toString('base64url').includes(id));
});

test('seal: the first key seals, all open, and an unknown one is named', () => {
  const [first, second] = [key(1), key(2)];
  const before = new Sealer([first]);
  const after = new Sealer([second, first]);
  const sealed = before.seal('a secret', 'kind:name');
  assert.ok(!sealed.includes('a secret'));
  assert.deepEqual(after.open(sealed, 'kind:name'), { kind: 'opened', text: 'a secret', id: first.id });
  assert.equal(after.id, second.id);
  assert.deepEqual(before.open(after.seal('x', 'kind:name'), 'kind:name'), { kind: 'unknown-key', id: second.id });
  assert.deepEqual(after.open(sealed, 'kind:other'), { kind: 'altered', id: first.id });
  for (const clear of ['', '{"a":1}', 'sealed:', 'sealed:1:short:x', ` ${sealed}`, `${sealed}!`])
    assert.deepEqual(after.open(clear, 'kind:name'), { kind: 'clear' });
});

test('seal: an id that no key has makes the keys be read again', () => {
  const [first, second] = [key(1), key(2)];
  const sealer = new Sealer([first], () => [second, first]);
  const sealed = new Sealer([second]).seal('a secret', 'kind:name');
  assert.deepEqual(sealer.open(sealed, 'kind:name'), { kind: 'opened', text: 'a secret', id: second.id });
  assert.equal(sealer.id, second.id, 'and the key that is first by then seals');
});
