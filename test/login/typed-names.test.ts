/** Domains in typed names: what contradicts itself is told at its key, and how names are read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ProviderDocument } from '../../src/login/options.ts';
import { domainProblems, TypedNames } from '../../src/login/typed-names.ts';
import { trials } from '../support/tools/properties.ts';

/** Providers with nothing but what is asked of them here. */
function providers(domains: Readonly<Record<string, Readonly<Record<string, string>>>>, types: object = {}) {
  const all: Record<string, unknown> = { local: { type: 'local' }, sso: { type: 'oidc' }, spare: { type: 'ldap' } };
  for (const [name, listed] of Object.entries(domains)) all[name] = { type: 'ldap', domains: listed, ...types };
  return all as Readonly<Record<string, ProviderDocument>>;
}

const wrong: Readonly<Record<string, [domains: Record<string, Record<string, string>>, says: RegExp, hint: RegExp]>> = {
  'a word that is neither a fate nor a provider': [{ a: { CORP: 'stripp' } }, /none of these/, /did you mean "strip"/],
  'its own name': [{ a: { CORP: 'a' } }, /names its own provider/, /write strip/],
  'a provider that takes no passwords': [{ a: { CORP: 'sso' } }, /takes no passwords/, /ldap or local/],
  'a provider outside the chain': [{ a: { CORP: 'spare' } }, /not in login.chain/, /add spare/],
  'a provider outside the chain that lists its own': [{ lone: { CORP: 'strip' } }, /not in login.chain/, /add lone/],
  'a domain of two providers': [{ a: { CORP: 'strip' }, b: { corp: 'keep' } }, /listed already/, /keep one/],
  'a domain in two spellings': [{ a: { CORP: 'strip', corp: 'strip' } }, /listed already/, /capitals/],
  'a domain that leads to two': [{ a: { CORP: 'b' }, b: { CORP: 'local' } }, /listed already/, /keep one/],
};
for (const [name, [domains, says, hint]] of Object.entries(wrong))
  test(`domains: ${name} is a mistake at its key`, () => {
    const [problem, ...more] = domainProblems(['a', 'b', 'local', 'sso'], providers(domains));
    assert.deepEqual(more, []);
    assert.match(problem?.message ?? '', says);
    assert.match(problem?.hint ?? '', hint);
    assert.equal(problem?.path[2], 'domains');
  });

test('domains: one that leads to a provider which lists it too is what that one says', () => {
  const both = providers({ a: { CORP: 'b' }, b: { Corp: 'keep' } });
  assert.deepEqual(domainProblems(['a', 'b'], both), []);
  assert.deepEqual(new TypedNames(both).read('CORP\\Alice'), {
    kind: 'at',
    provider: 'b',
    asked: 'CORP\\Alice',
    counted: 'alice',
  });
});

test('domains: where none is listed, a name is what it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (name) => {
      assert.equal(new TypedNames(providers({})).read(name).kind, 'anywhere');
    }),
    trials(),
  );
});

test('domains: every spelling of a listed form is one name, and no name reaches a provider with a domain left on it', () => {
  const names = new TypedNames(providers({ a: { CORP: 'strip', 'corp.example.com': 'strip' } }));
  const plain = fc.stringMatching(/^[a-z][a-z0-9._-]{0,20}$/);
  const spelled = fc.constantFrom(
    (name: string) => `CORP\\${name}`,
    (name: string) => `corp\\${name.toUpperCase()}`,
    (name: string) => ` ${name}@corp.example.com`,
    (name: string) => `${name}＠Corp.Example.COM`,
  );
  fc.assert(
    fc.property(plain, spelled, (name, spell) => {
      const read = names.read(spell(name));
      assert.equal(read.counted, name);
      assert.ok(read.kind === 'at' && read.provider === 'a' && !/[@\\]/.test(read.asked));
    }),
    trials(),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '@', '\\', '＠', '﹨', 'CORP', ' ') }), (name) => {
      const read = names.read(name);
      if (read.kind === 'at') assert.doesNotMatch(read.asked.normalize('NFKC'), /[@\\]/);
      if (read.kind === 'anywhere') assert.doesNotMatch(name.normalize('NFKC'), /[@\\]/);
    }),
    trials(),
  );
});
