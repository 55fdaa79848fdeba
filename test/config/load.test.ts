/** Reading a configuration: what is found, where it is said to be, and what is never said. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import * as z from 'zod';
import { type ConfigIssue, loadConfig, type Override } from '../../src/config/load.ts';
import { formatIssues } from '../../src/config/report.ts';
import { secret } from '../../src/config/values.ts';
import { goodText, sampleSchema } from './sample.ts';

const env = { LDAP_PASSWORD: 'from the environment' };

function load(text: string, overrides: readonly Override[] = []) {
  return loadConfig({ schema: sampleSchema, file: 'gatehouse.yaml', text, env, overrides });
}

function issuesOf(text: string, overrides?: readonly Override[]): readonly ConfigIssue[] {
  const result = load(text, overrides);
  return result.kind === 'invalid' ? result.issues : [];
}

/** The only issue of the good text with one line put in place of another. */
function issueWith(line: string, instead: string): ConfigIssue {
  assert.ok(goodText.includes(line), line);
  const issues = issuesOf(goodText.replace(line, instead));
  assert.equal(issues.length, 1, formatIssues(issues));
  return issues[0]!;
}

function value(text: string, overrides?: readonly Override[]) {
  const result = load(text, overrides);
  assert.equal(result.kind, 'ok', result.kind === 'ok' ? '' : formatIssues(result.issues));
  return result.kind === 'ok' ? result.value : undefined;
}

function folder(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'gatehouse-load-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('load: a good file gives its values, defaults included', () => {
  const document = value(goodText);
  assert.equal(document?.login.timeout, 5000);
  assert.equal(document?.login.lockout.delay, 30_000);
  assert.deepEqual(document?.routes[1]?.access, 'public');
  const { directory } = document?.providers ?? {};
  assert.equal(directory?.type === 'ldap' && directory.managerPassword?.reveal(), 'from the environment');
  assert.equal(directory?.type === 'ldap' && directory.ca, path.resolve('certs/ca.pem'));
});

test('load: the value is frozen all the way down', () => {
  const document = value(goodText);
  assert.throws(() => Object.assign(document?.login.chain ?? [], ['x']), TypeError);
  assert.throws(() => Object.assign(document?.routes[0]?.access ?? {}, { roles: [] }), TypeError);
  assert.throws(() => Object.assign(document?.providers ?? {}, { x: 1 }), TypeError);
});

test('load: relative paths and secrets begin at the folder of the file', (t) => {
  const directory = folder(t);
  const file = path.join(directory, 'gatehouse.yaml');
  writeFileSync(path.join(directory, 'password'), 'hunter2\n');
  writeFileSync(file, goodText.replace('{ env: LDAP_PASSWORD }', '{ file: password }'));
  const result = loadConfig({ schema: sampleSchema, file, env: {} });
  const provider = result.kind === 'ok' ? result.value.providers.directory : undefined;
  assert.equal(provider?.type === 'ldap' && provider.managerPassword?.reveal(), 'hunter2');
  assert.equal(provider?.type === 'ldap' && provider.ca, path.join(directory, 'certs/ca.pem'));
});

const slips: Readonly<Record<string, [line: string, instead: string, want: Partial<ConfigIssue>]>> = {
  'a misspelt key': [
    '  timeout: 5s',
    '  timeuot: 5s',
    { line: 7, column: 3, key: 'login.timeuot', hint: 'did you mean "timeout"?' },
  ],
  'a key in another spelling': ['publicUrl:', 'public_url:', { line: 3, column: 3, hint: 'did you mean "publicUrl"?' }],
  'a misspelt key that is required': [
    '  chain: [',
    '  chian: [',
    { line: 6, column: 3, key: 'login.chian', hint: 'did you mean "chain"?' },
  ],
  'a key of another type': [
    '{ type: local }',
    '{ type: local, searchBase: x }',
    {
      line: 15,
      column: 25,
      key: 'providers.local.searchBase',
      hint: 'it is a key of "type: ldap", not of "type: local"',
    },
  ],
  'a key at the wrong place': [
    '  timeout: 5s',
    '  level: info',
    { line: 7, column: 3, key: 'login.level', hint: 'it belongs under "log", not under "login"' },
  ],
  'a misspelt type': [
    'type: ldap',
    'type: ldpa',
    {
      line: 10,
      column: 11,
      key: 'providers.directory.type',
      message: 'must be one of ldap, oidc, local, is "ldpa"',
      hint: 'did you mean "ldap"?',
    },
  ],
  'a type that is missing': [
    '{ type: local }',
    '{ users: x }',
    { line: 15, column: 3, key: 'providers.local.type', message: 'is missing; must be one of ldap, oidc, local' },
  ],
  'a required key that is missing': [
    '    searchBase: ou=people,dc=example\n',
    '',
    {
      line: 9,
      column: 3,
      key: 'providers.directory.searchBase',
      message: 'is missing (where users are searched); must be text',
    },
  ],
  'a required section that is missing': [
    'login:\n  chain: [directory, local]\n  timeout: 5s\n',
    '',
    { line: 2, column: 1, key: 'login' },
  ],
  'a bad name in a record': [
    '  local: {',
    '  Local: {',
    { line: 15, column: 3, key: 'providers.Local', message: 'the name must be a short name of lower-case letters' },
  ],
  'a wrong word': [
    'access: public',
    'access: pubic',
    {
      line: 22,
      column: 13,
      key: 'routes[1].access',
      message: 'must be one of public, deny, or a mapping of keys to values, is "pubic"',
      hint: 'did you mean "public"?',
    },
  ],
  'a mistake inside a branch of a union': [
    '{ roles: [agent] }',
    '{ roles: [agent], maxAge: 1 h }',
    {
      line: 19,
      column: 39,
      key: 'routes[0].access.maxAge',
      message: 'must be a duration such as 500ms, 5s, 30m or 12h, is "1 h"',
    },
  ],
  'a misspelt key inside a branch of a union': [
    '{ roles: [agent] }',
    '{ role: [agent] }',
    { line: 19, column: 15, key: 'routes[0].access.role', hint: 'did you mean "roles"?' },
  ],
  'an item of a list that may stand alone': [
    'http://b:1]',
    'ftp://b:1]',
    { line: 21, column: 28, key: 'routes[1].upstream[1]' },
  ],
  'a number for a duration': [
    'timeout: 5s',
    'timeout: 5',
    { line: 7, column: 12, message: 'must be a duration such as 500ms, 5s, 30m or 12h, is the number 5' },
  ],
  'a word where a list belongs': [
    '[10.0.0.0/8]',
    '10.0.0.0/8',
    { line: 4, column: 19, hint: 'write it as a list: ["10.0.0.0/8"]' },
  ],
  'an empty value': [
    'timeout: 5s',
    'timeout:',
    { line: 7, column: 3, message: 'must be a duration such as 500ms, 5s, 30m or 12h, is empty' },
  ],
  'yes for true': [
    'searchBase: ou=people,dc=example',
    'searchBase: x\n    startTls: yes',
    { line: 15, message: 'must be true or false, is "yes"', hint: 'write true' },
  ],
  'a check across keys': [
    '[directory, local]',
    '[directory, lokal]',
    { line: 6, column: 22, key: 'login.chain[1]', message: 'must be the name of a provider, is "lokal"' },
  ],
  'a variable that is not set': [
    'LDAP_PASSWORD',
    'LDAP_PASWORD',
    {
      line: 13,
      key: 'providers.directory.managerPassword',
      message: 'the environment variable LDAP_PASWORD is not set; set it, or use { file: … }',
    },
  ],
  'a misspelt reference of a secret': [
    '{ env: LDAP',
    '{ environment: LDAP',
    { line: 13, key: 'providers.directory.managerPassword.environment', hint: 'did you mean "env"?' },
  ],
  'a key that is there twice': [
    '  timeout: 5s',
    '  timeout: 5s\n  timeout: 6s',
    { line: 8, column: 3, key: 'login.timeout', message: 'stands twice in the same mapping, first on line 7' },
  ],
};

for (const [name, [line, instead, want]] of Object.entries(slips))
  test(`load: ${name} is named at its place, once`, () => {
    assert.partialDeepStrictEqual(issueWith(line, instead), { file: 'gatehouse.yaml', ...want });
  });

test('load: all mistakes come at once, in the order of the file', () => {
  const text = goodText
    .replace('https://cc', 'ftp://cc')
    .replace('5s', 'soon')
    .replace('type: ldap', 'type: ldap\n    colour: red')
    .replace('access: public', 'access: 5');
  const issues = issuesOf(text);
  assert.deepEqual(
    issues.map(({ key }) => key),
    ['server.publicUrl', 'login.timeout', 'providers.directory.colour', 'routes[1].access'],
  );
});

test('load: mistakes of the YAML that leave it readable come together with all others', () => {
  const issues = issuesOf(goodText.replace('timeout: 5s', 'timeout: soon\n  timeout: later'));
  assert.deepEqual(
    issues.map(({ line }) => line),
    [8, 8],
  );
});

const broken: Readonly<Record<string, [text: string, want: Partial<ConfigIssue>]>> = {
  'a tab for indentation': [
    'login:\n\tchain: [a]\n',
    { line: 2, column: 1, message: 'a tab stands in the indentation, where YAML takes only spaces' },
  ],
  'a quote that is never closed': ['a: 1\nb: "x\nc: 2\n', { line: 2, column: 4, key: 'b' }],
  'a bracket that is never closed': ['a: 1\nb: [x\nc: 2\n', { line: 2, column: 4, key: 'b' }],
  'a bracket that is never closed behind a pair': ['a: 1\nb: [x: y\nc: 2\n', { line: 2, column: 4, key: 'b' }],
  'a bracket that is never closed behind a tab': ['a: 1\nb: [\t: ', { line: 2, column: 4, key: 'b' }],
  'an indentation that does not fit': ['a:\n   b: 1\n  c: 2\n', { line: 3 }],
  'a value with a colon': ['a: b: c\n', { line: 1, column: 4 }],
  'a missing space after the colon': ['a:1\nb: 2\n', { line: 1, column: 1 }],
  'a value that begins with a reserved character': ['a: @x\n', { line: 1, column: 4 }],
  'a second document': ['a: 1\n---\nb: 2\n', { line: 2 }],
  'an alias without an anchor': ['a: *x\n', { line: 1, column: 4 }],
  'an alias inside what it repeats': ['a: &x [*x]\n', { line: 1, column: 8 }],
  'a merge key': ['a: {}\nb:\n  <<: {}\n', { line: 3, column: 3 }],
  'a key that would change the prototype': ['providers:\n  __proto__: { type: local }\n', { line: 2, column: 3 }],
  'a list at the top': ['- a\n', { line: 1, column: 1, message: 'the file must hold a mapping of keys to values' }],
  'one word': ['hello\n', { line: 1, column: 1, message: 'the file must hold a mapping of keys to values' }],
  nothing: ['', { line: 1, column: 1, message: 'the file is empty: it needs at least login, providers, routes' }],
  'only comments': ['# a\n\n# b\n', { line: 1, hint: 'begin with a copy of one from config/examples/' }],
  'a control character': ['a: 1\nb: x\u0007\n', { line: 2, column: 5 }],
  'old Macintosh line ends': ['a: 1\rb: 2\r', { line: 1, column: 5 }],
};

for (const [name, [text, want]] of Object.entries(broken))
  test(`load: ${name} is an error with a place and a hint`, () => {
    const issues = issuesOf(text);
    const [first] = issues.filter(({ message }) => !/known key|^is missing/.test(message));
    assert.ok(first?.hint, formatIssues(issues));
    assert.partialDeepStrictEqual(first, want);
  });

test('load: aliases that would grow without bound are refused at once', () => {
  const rows = [...'abcdefghij'].map((name, index, all) => {
    const of = index === 0 ? 'x' : `*${all[index - 1]}`;
    return `${name}: &${name} [${Array.from({ length: 9 }, () => of).join(', ')}]`;
  });
  const started = performance.now();
  const [issue] = issuesOf(rows.join('\n'));
  assert.match(issue?.message ?? '', /^aliases/);
  assert.ok(performance.now() - started < 2000);
});

test('load: an anchor used a few times is fine, and a mistake in it stands where it is written', () => {
  const text = goodText
    .replace('{ roles: [agent] }', '&agents { roles: [agent] }')
    .replace('access: public', 'access: *agents');
  assert.deepEqual(value(text)?.routes[1]?.access, { roles: ['agent'] });
  const issues = issuesOf(text.replace('[agent]', 'agent'));
  assert.deepEqual(new Set(issues.map(({ line }) => line)), new Set([19]));
});

test('load: Windows line ends and a byte order mark change neither values nor places', () => {
  const windows = (text: string) => `\ufeff${text.replaceAll('\n', '\r\n')}`;
  assert.deepEqual(value(windows(goodText))?.login, value(goodText)?.login);
  const bad = goodText.replace('5s', 'soon');
  assert.deepEqual(issuesOf(windows(bad)), issuesOf(bad));
});

test('load: a byte order mark does not shift the first line', () => {
  assert.deepEqual(issuesOf('\ufeffserver: 5').find(({ key }) => key === 'server')?.column, 9);
});

const files: Readonly<Record<string, [contents: string | Buffer, want: Partial<ConfigIssue>]>> = {
  'Latin-1': [Buffer.from('a: 1\nb: caf\xe9\n', 'latin1'), { line: 2, column: 7 }],
  'UTF-16': [Buffer.from('\ufeffa: 1\n', 'utf16le'), { line: 0, message: 'the file is UTF-16 text' }],
  'a cut UTF-8 sequence at the end': [Buffer.from([0x61, 0x3a, 0x20, 0xe2, 0x82]), { line: 1, column: 4 }],
  'a huge file': ['# '.padEnd(5_000_000, 'x'), { line: 0, message: 'the file is larger than 4 MB' }],
};

for (const [name, [contents, want]] of Object.entries(files))
  test(`load: ${name} is refused with a clear word`, (t) => {
    const file = path.join(folder(t), 'gatehouse.yaml');
    writeFileSync(file, contents);
    const result = loadConfig({ schema: sampleSchema, file });
    assert.partialDeepStrictEqual(result, { kind: 'invalid', issues: [{ file, ...want }] });
  });

test('load: a missing file, a directory and a device are told apart', (t) => {
  const directory = folder(t);
  const messageOf = (file: string) => {
    const result = loadConfig({ schema: sampleSchema, file });
    return result.kind === 'invalid' ? result.issues[0]?.message : undefined;
  };
  assert.equal(messageOf(path.join(directory, 'none.yaml')), 'the file does not exist');
  assert.equal(messageOf(directory), 'the file is a directory');
  assert.equal(messageOf('/dev/null'), 'the file is not a file that can be read');
});

test('load: no secret stands in any issue, however the file is broken', () => {
  const leaks = [
    'providers: { x: { type: oidc, issuer: http://x, clientSecret: hunter2, colour: red } }',
    'providers: { x: { type: oidc, issuer: 5, clientSecret: [hunter2] } }',
    'providers: { x: { type: oidc, issuer: 5, clientSecret: { hunter2: hunter2 } } }'.replace('{ hunter2:', '{ foo:'),
    'providers: { x: { type: ldap, managerPasword: hunter2 } }',
    'providers:\n  x:\n    type: ldap\n    managerPassword: !hunter2\n',
    'providers:\n  x:\n    type: ldap\n    managerPassword: *hunter2\n',
    'providers:\n  x:\n    type: ldap\n    managerPassword: @hunter2\n',
    'providers:\n  x:\n    type: ldap\n    managerPassword: "hunter2\n    url: x\n',
    'providers:\n  x:\n    type: ldap\n    managerPassword: "a" hunter2\n',
    'providers:\n  x:\n    type: ldap\n    managerPassword:\n      - b\n      hunter2\n',
    'providers:\n  x: { type: ldap, url: "ldap://reader:hunter2@host", colour: red }',
    'providers:\n  x: { type: oidc, issuer: "https://reader:hunter2@host" }',
    'password: hunter2\npassword: hunter2\n',
    'token: hunter2: hunter2\n',
  ];
  for (const text of leaks) {
    const issues = issuesOf(text);
    assert.ok(issues.length > 0, text);
    const shown = `${formatIssues(issues, { excerpts: true })}${JSON.stringify(issues)}`;
    assert.ok(!shown.includes('hunter2'), shown);
  }
});

test('load: a value whose schema is secret is named by its type only, whatever its key is called', () => {
  const schema = z.strictObject({ phrase: secret(), pair: z.strictObject({ password: z.int() }) });
  const result = loadConfig({ schema, file: 'f', text: 'phrase: 31337\npair: { password: hunter2 }\n' });
  const messages = result.kind === 'invalid' ? result.issues.map(({ message }) => message) : [];
  assert.match(messages[0] ?? '', /, is a number$/);
  assert.match(messages[1] ?? '', /, is text$/);
});

test('load: overrides win over the file, make what is missing, and keep the rest', () => {
  const overrides = [
    { key: ['login', 'timeout'], value: '2s', origin: 'environment LOGIN_TIMEOUT_MS' },
    { key: ['login', 'reservedUsers'], value: [], origin: 'environment AUTH_PREVENT_XUC_LOGIN' },
    { key: ['log', 'level'], value: 'debug', origin: 'environment LEVEL' },
    { key: ['login', 'chain', 1], value: 'directory', origin: 'environment CHAIN' },
  ];
  const document = value(goodText, overrides);
  assert.equal(document?.login.timeout, 2000);
  assert.deepEqual(document?.login.reservedUsers, []);
  assert.deepEqual(document?.login.chain, ['directory', 'directory']);
  assert.equal(document?.log.level, 'debug');
  assert.equal(document?.server.publicUrl.host, 'cc.example.com');
});

test('load: a mistake in an override names where it came from instead of a line', () => {
  const [bad, missing] = issuesOf(goodText, [
    { key: ['login', 'timeout'], value: 'soon', origin: 'environment LOGIN_TIMEOUT_MS' },
    { key: ['providers', 'sso'], value: { type: 'oidc', issuer: 'http://x' }, origin: 'environment OIDC_SERVER_URL' },
  ]);
  assert.partialDeepStrictEqual(bad, { key: 'login.timeout', origin: 'environment LOGIN_TIMEOUT_MS', line: 0 });
  assert.partialDeepStrictEqual(missing, { key: 'providers.sso.clientSecret', origin: 'environment OIDC_SERVER_URL' });
  assert.match(formatIssues(bad ? [bad] : []), /^environment LOGIN_TIMEOUT_MS {2}login\.timeout: must be a duration/);
});

test('load: an override can mend what the file says wrongly, and hides no mistake beside it', () => {
  const text = goodText.replace('5s', 'soon').replace('access: public', 'access: pubic');
  const issues = issuesOf(text, [{ key: ['login', 'timeout'], value: '1s', origin: 'environment X' }]);
  assert.deepEqual(
    issues.map(({ line }) => line),
    [22],
  );
});

test('load: overrides alone make a configuration out of an empty file', () => {
  const overrides = [
    { key: ['login', 'chain'], value: ['local'], origin: 'environment' },
    { key: ['providers', 'local', 'type'], value: 'local', origin: 'environment' },
    { key: ['routes', 0], value: { location: '/', upstream: 'http://xuc:8070' }, origin: 'environment XUC_HOST' },
  ];
  assert.equal(value('', overrides)?.routes[0]?.location, '/');
});

test('load: a secret that reads like a variable is a warning', () => {
  const result = load(goodText.replace('{ env: LDAP_PASSWORD }', '$LDAP_PASSWORD'));
  assert.partialDeepStrictEqual(result, {
    kind: 'ok',
    warnings: [{ line: 13, key: 'providers.directory.managerPassword', hint: 'write { env: LDAP_PASSWORD }' }],
  });
});

test('load: locate tells where a key stands, or what should hold it', () => {
  const result = load(goodText, [{ key: ['log', 'level'], value: 'warn', origin: 'environment LEVEL' }]);
  assert.ok(result.kind === 'ok');
  assert.partialDeepStrictEqual(result.locate(['routes', 1, 'upstream']), {
    line: 21,
    column: 15,
    key: 'routes[1].upstream',
  });
  assert.partialDeepStrictEqual(result.locate(['login', 'lockout', 'user']), { line: 5, column: 1 });
  assert.partialDeepStrictEqual(result.locate(['log', 'level']), { origin: 'environment LEVEL', line: 0 });
});

test('load: a check of ours may point at the key and bring its own hint', () => {
  const schema = z.strictObject({ a: z.record(z.string(), z.int()) }).superRefine((_, context) => {
    context.addIssue({
      code: 'custom',
      path: ['a', 'one'],
      message: 'is never used',
      params: { at: 'key', hint: 'remove it' },
    });
  });
  const result = loadConfig({ schema, file: 'f', text: 'a:\n  one: 1\n' });
  assert.partialDeepStrictEqual(result, {
    issues: [{ line: 2, column: 3, message: 'is never used', hint: 'remove it' }],
  });
});
