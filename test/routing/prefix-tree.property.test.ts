/** The tree of prefixes finds what a look at each of them finds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PrefixTree } from '../../src/routing/prefix-tree.ts';
import { trials } from '../support/tools/properties.ts';

const path = fc
  .array(fc.constantFrom('/', 'a', 'b', 'ab', 'aba', '\u{1f600}', 'é'), { maxLength: 8 })
  .map((parts) => `/${parts.join('')}`);

test('prefix tree: the longest prefix is the one that a look at each finds', () => {
  fc.assert(
    fc.property(fc.uniqueArray(path, { maxLength: 30 }), path, (prefixes, text) => {
      const tree = new PrefixTree(prefixes.map((prefix) => [prefix, { prefix }] as const));
      const [longest] = prefixes
        .filter((prefix) => text.startsWith(prefix))
        .toSorted((one, other) => other.length - one.length);
      assert.equal(tree.longest(text)?.prefix, longest);
    }),
    trials(1000),
  );
});

test('prefix tree: an empty one has nothing, and the root may be one of them', () => {
  assert.equal(new PrefixTree([]).longest('/a'), undefined);
  const root = {};
  assert.equal(new PrefixTree([['/', root]]).longest('/a'), root);
  assert.equal(new PrefixTree([['', root]]).longest('/a'), root);
});
