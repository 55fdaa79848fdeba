/** Tables of users: how they may be written, and that every fault is told at its line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/core/secret.ts';
import { hashPassword } from '../../src/users/passwords.ts';
import { readUsersCsv } from '../../src/users/users-csv.ts';

const terms = { isTenant: (name: string) => name === 'acme' };
const read = (text: string | Buffer) => readUsersCsv(Buffer.from(text), terms);
const faultsOf = (text: string | Buffer) => {
  const reading = read(text);
  assert.ok(reading.kind === 'faults', 'taken');
  return reading.faults.map(({ line, message }) => `${line} ${message}`);
};

const same = {
  'with commas': 'user,email,groups\na@acme.example,a@acme.example,"agents,night"\nbob,,agents\n',
  'with semicolons': 'user;email;groups\na@acme.example;a@acme.example;agents,night\nbob;;agents\n',
  'with tabs': 'user\temail\tgroups\na@acme.example\ta@acme.example\tagents, night\nbob\t\tagents\n',
  'with the mark of a spreadsheet':
    '\ufeffuser,email,groups\r\na@acme.example,a@acme.example,agents|night\r\nbob,,agents\r\n',
  'with a quoted first column after the mark':
    '\ufeff"user","email","groups"\n"a@acme.example","a@acme.example","agents;night"\n"bob","","agents"',
  'with columns in another order and capitals, and empty lines':
    'Groups,USER,email\n\nagents|night,a@acme.example,a@acme.example\n\n,,\nagents,bob,\n\n',
};
for (const [how, text] of Object.entries(same))
  test(`users csv: a table ${how}`, () => {
    const reading = read(text);
    assert.ok(reading.kind === 'users', JSON.stringify(reading));
    assert.deepEqual(
      reading.users.map(({ username, change }) => ({ username, email: change.email, groups: change.groups })),
      [
        { username: 'a@acme.example', email: 'a@acme.example', groups: ['agents', 'night'] },
        { username: 'bob', email: null, groups: ['agents'] },
      ],
    );
  });

test('users csv: a column that is not there says nothing, and an empty password leaves the one that is', async () => {
  const hash = await hashPassword(new Secret('right-one-5d1c'));
  const reading = read(`user,password-hash,disabled,tenant,phone\nann,"${hash}",yes,acme,+33 1 23 45 67 89\nbob,,,,\n`);
  assert.ok(reading.kind === 'users');
  const [ann, bob] = reading.users.map(({ change }) => change);
  assert.partialDeepStrictEqual(ann, { password: hash, disabled: true, tenant: 'acme', phone: '+33 1 23 45 67 89' });
  assert.ok(ann && ann.email === undefined && ann.name === undefined && !('groups' in ann));
  assert.partialDeepStrictEqual(bob, { disabled: false, tenant: null, phone: null });
  assert.ok(bob && !('password' in bob));
});

test('users csv: every fault is told, each with its line', () => {
  const text = [
    'user,name,email,phone,tenant,password-hash,disabled',
    'ann,Ann,ann@acme.example,,acme,,',
    ',Nobody,,,,,',
    'bob,"Bob\nB.",b@b@b,12,other,secret,perhaps',
    'ANN,Ann again,,,,,',
    'carl,Carl',
    'api:robot,,,,,,',
    'a@b@c,,,,,,',
  ].join('\n');
  const faults = faultsOf(text);
  const lines = faults.map((fault) => Number(fault.split(' ', 1)[0]));
  assert.deepEqual(lines, [3, 4, 4, 4, 4, 4, 4, 6, 7, 8, 9]);
  for (const word of [
    'is empty',
    'control character',
    'no e-mail',
    'no telephone',
    'not configured',
    'no argon2id',
    'neither',
    'line 2',
    '2 cells',
    'api:',
    'one @',
  ])
    assert.ok(
      faults.some((fault) => fault.includes(word)),
      word,
    );
  assert.ok(!faults.join().includes('secret'), 'a password in the place of its hash is not shown');
});

const broken = {
  'no line at all': ['', /^1 is empty/],
  'no column user': ['name,email\nAnn,a@b.example\n', /"user"/],
  'a column twice': ['user,email,Email\nann,a@b.example,c@d.example\n', /"email" stands there twice/],
  'a column that nobody knows': [
    'user,mail\nann,a@b.example\n',
    /no column "mail"; the columns are user,|no column "mail"/,
  ],
  'a quote that is not closed': ['user,name\nann,"Ann\nbob,Bob\n', /quote/],
  'UTF-16': [Buffer.from('\ufeffuser\nann\n', 'utf16le'), /UTF-16/],
  'another encoding': [Buffer.from('user,name\nann,Ann\nbob,Ren\xe9\n', 'latin1'), /^3 is not UTF-8/],
  'a line that never ends': [`user,name\nann,"${'x'.repeat(70_000)}"\n`, /64 KiB/],
} as const;
for (const [what, [text, want]] of Object.entries(broken))
  test(`users csv: ${what} is a fault`, () => {
    assert.match(faultsOf(text).join('\n'), want);
  });

test('users csv: more users than a file is good for are refused', () => {
  const text = `user\n${Array.from({ length: 5001 }, (_, n) => `user${n}`).join('\n')}`;
  assert.match(faultsOf(text).join('\n'), /^5002 is more than 5000 users/);
});
