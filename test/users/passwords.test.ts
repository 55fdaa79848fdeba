/** Password hashes: right and wrong, foreign and absurd, many at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/core/secret.ts';
import { checkPassword, hashPassword, isPasswordHash } from '../../src/users/passwords.ts';

/** A well-formed hash of nothing, with these parameters. */
const cheap = (m: number, t = 1, p = 1, salt = 'c29tZXNhbHQ', tag = 'A'.repeat(43)) =>
  `$argon2id$v=19$m=${m},t=${t},p=${p}$${salt}$${tag}`;

test('a hash matches its password and no other', async () => {
  const hash = await hashPassword(new Secret('correct horse'));
  assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.equal(await checkPassword(new Secret('correct horse'), hash), 'match');
  for (const wrong of ['correct hors', 'correct horse ', 'Correct horse', '', 'correct horse\0', 'x'.repeat(100_000)]) {
    assert.equal(await checkPassword(new Secret(wrong), hash), 'mismatch', wrong.slice(0, 20));
  }
  assert.notEqual(await hashPassword(new Secret('correct horse')), hash, 'salts differ');
});

test('the reference vector of the argon2 command line tool matches', async () => {
  // printf password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 24 -e, from the test suite of the reference implementation.
  const hash = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
  assert.equal(await checkPassword(new Secret('password'), hash), 'match');
  assert.equal(await checkPassword(new Secret('passwore'), hash), 'mismatch');
});

test('letters with accents match however the keyboard spells them', async () => {
  const hash = await hashPassword(new Secret('motdepasse-\u00e9t\u00e9'));
  assert.equal(await checkPassword(new Secret('motdepasse-e\u0301te\u0301'), hash), 'match');
});

test('without a hash nothing matches, and it takes as long', async () => {
  const hash = await hashPassword(new Secret('right'));
  const time = async (known: string | undefined): Promise<number> => {
    // The hash is made on a thread of the pool; what other programs do at the time must not count.
    const before = process.cpuUsage();
    assert.equal(await checkPassword(new Secret('wrong'), known), 'mismatch');
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  const rounds: Array<[known: number, unknown: number]> = [];
  for (let round = 0; round < 9; round++) rounds.push([await time(hash), await time(undefined)]);
  const median = (values: number[]): number => values.toSorted((a, b) => a - b)[4] ?? 0;
  const [known, unknown] = [median(rounds.map(([a]) => a)), median(rounds.map(([, b]) => b))];
  assert.ok(Math.max(known, unknown) < 2 * Math.min(known, unknown), `${known} and ${unknown} ms of a processor`);
});

const refused: Readonly<Record<string, string>> = {
  'no hash at all': 'secret',
  'another algorithm': cheap(64).replace('argon2id', 'argon2i'),
  'another version': cheap(64).replace('v=19', 'v=16'),
  bcrypt: '$2b$12$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuuabcdefghijk',
  'memory of gigabytes': cheap(4_194_304),
  'memory of none': cheap(0),
  'too little memory for its lanes': cheap(16, 1, 4),
  'passes without end': cheap(64, 999),
  'no passes': cheap(64, 0),
  'lanes without end': cheap(4096, 1, 255),
  'no lanes': cheap(64, 1, 0),
  'a short salt': cheap(64, 1, 1, 'YWJj'),
  'a short tag': cheap(64, 1, 1, 'c29tZXNhbHQ', 'YWJj'),
  'something behind it': `${cheap(64)}\n`,
};
for (const [what, hash] of Object.entries(refused)) {
  test(`a hash is refused and matches nothing: ${what}`, async () => {
    assert.equal(isPasswordHash(hash), false);
    assert.equal(await checkPassword(new Secret('x'), hash), 'mismatch');
  });
}

test('a queue that is full says so, and callers who leave make room', async () => {
  const hash = await hashPassword(new Secret('right'));
  const leaving = new AbortController();
  const patient = Array.from({ length: 3 }, () => checkPassword(new Secret('right'), hash));
  const waiting = Array.from({ length: 200 }, () =>
    checkPassword(new Secret('right'), hash, { signal: leaving.signal }),
  );
  assert.equal(await checkPassword(new Secret('right'), hash), 'overloaded');
  leaving.abort();
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['aborted']));
  assert.deepEqual(await Promise.all(patient), ['match', 'match', 'match']);
  assert.equal(await checkPassword(new Secret('right'), hash, { signal: AbortSignal.abort() }), 'aborted');
  const late = Array.from({ length: 8 }, (_, i) => checkPassword(new Secret(i % 2 ? 'right' : 'wrong'), hash));
  assert.deepEqual(
    await Promise.all(late),
    Array.from({ length: 8 }, (_, i) => (i % 2 ? 'match' : 'mismatch')),
  );
});

test('names that nobody has never keep out somebody who is there, and are not told apart by a full queue', async () => {
  const hash = await hashPassword(new Secret('right'));
  const start = performance.now();
  const strangers = Array.from({ length: 500 }, () => checkPassword(new Secret('wrong'), undefined));
  const known = Array.from({ length: 3 }, () => checkPassword(new Secret('right'), hash));
  assert.deepEqual(await Promise.all(known), ['match', 'match', 'match']);
  const waited = performance.now() - start;
  assert.deepEqual(new Set(await Promise.all(strangers)), new Set(['mismatch']));
  assert.ok(waited < 2000, `${waited} ms`);
});

test('a check whose answer will be an outage costs no work, and takes its time', async () => {
  await checkPassword(new Secret('wrong'), await hashPassword(new Secret('right')));
  const [before, start] = [process.cpuUsage(), performance.now()];
  await Promise.all(Array.from({ length: 50 }, () => checkPassword(new Secret('wrong'), undefined, { isMoot: true })));
  const { user, system } = process.cpuUsage(before);
  assert.ok(performance.now() - start > 10, 'it takes the time of a check');
  assert.ok((user + system) / 1000 < 500, `${user + system} µs for fifty`);
});
