/** The kinds of values: what they take, what they give, where they look. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { withReadContext } from '../../src/config/context.ts';
import { byteSize, cidr, duration, filePath, fileText, httpUrl, networks, secret } from '../../src/config/values.ts';

function folder(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'gatehouse-values-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('duration: each unit gives milliseconds, and anything else is refused', () => {
  const good = { '0s': 0, '500ms': 500, '5s': 5000, '30m': 1_800_000, '12h': 43_200_000, '7d': 604_800_000 };
  for (const [text, milliseconds] of Object.entries(good)) assert.equal(duration().parse(text), milliseconds);
  for (const bad of ['', '5', '5 s', '-5s', '1.5s', '5S', 's', '5s ', '1h30m', 5, null])
    assert.equal(duration().safeParse(bad).success, false, String(bad));
});

test('byteSize: sizes are powers of 1024, and 0 is no limit', () => {
  const good = { '5b': 5, '64kb': 65_536, '10mb': 10_485_760, '1gb': 1_073_741_824 };
  for (const [text, bytes] of Object.entries(good)) assert.equal(byteSize().parse(text), bytes);
  assert.equal(byteSize().parse(0), 0);
  for (const bad of [1, '10', '10MB', '1tb', '-1kb', ''])
    assert.equal(byteSize().safeParse(bad).success, false, String(bad));
});

test('secret: text, a variable and a file give the value, which no printer shows', (t) => {
  const directory = folder(t);
  writeFileSync(path.join(directory, 'password'), 'from file\r\n');
  const env = { LDAP_PASSWORD: 'from env' };
  const read = (value: unknown) => withReadContext({ directory, env }, () => secret().parse(value));
  assert.equal(read('plain').reveal(), 'plain');
  assert.equal(read({ env: 'LDAP_PASSWORD' }).reveal(), 'from env');
  assert.equal(read({ file: 'password' }).reveal(), 'from file');
  assert.equal(`${read('plain')} ${JSON.stringify(read('plain'))}`, '[secret] "[secret]"');
});

test('secret: nothing, a variable that is not set, a file that is missing or empty are refused', (t) => {
  const directory = folder(t);
  writeFileSync(path.join(directory, 'empty'), '\n');
  mkdirSync(path.join(directory, 'sub'));
  const isGood = (value: unknown) =>
    withReadContext({ directory, env: { EMPTY: '' } }, () => secret().safeParse(value).success);
  for (const bad of [
    '',
    { env: 'UNSET' },
    { env: 'EMPTY' },
    { file: 'none' },
    { file: 'empty' },
    { file: 'sub' },
    {},
    5,
    null,
  ])
    assert.equal(isGood(bad), false, JSON.stringify(bad));
  assert.equal(isGood({ env: 'A', file: 'b' }), false);
});

test('secret: a variable is never put into the middle of a text', () => {
  const env = { NAME: 'value' };
  const read = (value: string) => withReadContext({ directory: '.', env }, () => secret().parse(value).reveal());
  const braces = '$'.concat('{NAME}');
  for (const text of [braces, '$NAME', '%NAME%', `a${braces}b`, `{ env: NAME }`]) assert.equal(read(text), text);
});

test('filePath and fileText: relative paths begin at the folder of the file that names them', (t) => {
  const directory = folder(t);
  writeFileSync(path.join(directory, 'ca.pem'), 'PEM');
  withReadContext({ directory, env: {} }, () => {
    assert.equal(filePath().parse('ca.pem'), path.join(directory, 'ca.pem'));
    assert.equal(filePath().parse('/etc/ca.pem'), '/etc/ca.pem');
    assert.equal(fileText().parse('./ca.pem'), 'PEM');
    assert.equal(fileText().safeParse('none.pem').success, false);
    assert.equal(filePath().safeParse('').success, false);
  });
});

test('httpUrl: only plain http and https addresses', () => {
  assert.equal(httpUrl().parse('https://CC.example.com:8443/x').href, 'https://cc.example.com:8443/x');
  for (const bad of ['ftp://x', 'x', '//x', 'http://u:p@x', 'http://x?y', 'http://x#y', 'javascript:alert(1)', 5])
    assert.equal(httpUrl().safeParse(bad).success, false, String(bad));
});

test('cidr and networks: an address is inside or outside, in either family', () => {
  const list = ['10.0.0.0/8', '127.0.0.1', 'fd00::/8'].map((text) => cidr().parse(text));
  const isInside = networks(list);
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '127.0.0.1', 'fd00::1'])
    assert.equal(isInside(address), true, address);
  for (const address of ['11.0.0.1', '127.0.0.2', '::1', 'nonsense', ''])
    assert.equal(isInside(address), false, address);
  for (const bad of ['10.0.0.0/33', '10.0.0/8', 'fd00::/129', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-1', 'host', ''])
    assert.equal(cidr().safeParse(bad).success, false, bad);
});
