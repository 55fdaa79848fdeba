/**
 * The mistakes that newcomers make, in the default configuration and the examples: each is told at its line, once, with what
 * is wrong and what to do.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { run } from '../../support/tools/command.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

const root = path.join(import.meta.dirname, '../../..');
const read = (name: string): string => readFileSync(path.join(root, 'config', name), 'utf8');
const usual = read('gatehouse.yaml');
const ldap = read('examples/ldap.yaml').replace('{ env: LDAP_PASSWORD }', '{ env: PATH }');
const https = read('examples/https.yaml').replace(/ {4}- pkcs12.*\n.*\n/, '');
const kerberos = read('examples/kerberos.yaml').replace('{ env: LDAP_PASSWORD }', '{ env: PATH }');

/** The place is that of the first line of what is put in, and the column; lines are counted from there. */
type Mistake = readonly [text: string, spot: string, instead: string, place: string, ...says: string[]];

/** Where the two lines and the caret are a part of the message: what YAML itself cannot read. */
const unreadable: Readonly<Record<string, Mistake>> = {
  'a tab': [usual, '  idle: 30m', '\tidle: 30m', '+0:1', 'a tab stands', 'put 2 spaces in its place', '| session:'],
  'a tab deeper down': [usual, '    upstream: ', '\tupstream: ', '+0:1', 'put 4 spaces', '|     location: /'],
  'a blank that is no space': [usual, '  idle:', '\u00a0\u00a0idle:', '+0:1', 'U+00A0', 'put 2 spaces'],
  'a key too far in': [usual, '  publicUrl', '    publicUrl', '+0:5', 'publicUrl is indented too far', 'column 3'],
  'a key of a route too far in': [usual, '    access: { r', '      access: { r', '+0:7', 'column 5, as upstream does'],
  'a key too little in': [usual, '  lifetime', ' lifetime', '+0:2', 'where idle above it begins in column 3'],
  'a key at the margin': [usual, '  lifetime', 'lifetime', '+0:1', 'lifetime is indented too little', 'column 3 too'],
  'a section not far enough out': [usual, 'pages:', ' pages:', '+0:2', 'pages begins in column 2', 'column 1'],
  'a key of a route too little in': [usual, '    websocket', '   websocket', '+0:4', 'begin it in column 5'],
  'a section with a value': [
    usual,
    'session:',
    'session: 30m',
    '+1:3',
    'idle stands below session',
    'remove the value',
  ],
  'a dash too little in': [usual, '  - name: kibana', ' - name: kibana', '+0:2', 'where the dash above it', 'column 3'],
  'a dash too far in': [
    usual,
    '  - name: kibana',
    '    - name: kibana',
    '+0:5',
    'a dash stands among keys',
    'column 3',
  ],
  'a dash without its space': [
    usual,
    '  - name: kibana',
    '  -name: kibana',
    '+0:3',
    'a space is missing behind the dash',
  ],
  'a first dash missing': [
    usual,
    '  - name: home',
    '  name: home',
    '+0:3',
    'name begins an item of the list routes and has no dash',
    'write "- " in front of it: "- name: …"',
  ],
  'a first dash missing, its key where the others are': [
    usual,
    '  - name: home',
    '    name: home',
    '+0:5',
    'name begins an item of the list routes and has no dash',
    'with the dash in column 3: "- name: …"',
  ],
  'the first line of a list missing': [
    usual,
    /.*- name: home.*\n/.exec(usual)?.[0] ?? '',
    '',
    '+0:5',
    'location begins an item of the list routes and has no dash',
    '"- location: …"',
  ],
  'a first dash missing, the others in the column of their list': [
    usual,
    usual.slice(usual.indexOf('routes:')),
    'routes:\n  location: /\n  access: public\n- location: /x/\n  access: public\n',
    '+1:3',
    'location begins an item of the list routes and has no dash',
    'with the dash in column 1: "- location: …"',
  ],
  'a second document': [
    usual,
    '  - name: ccagent',
    '---\nroutes:\n  - name: ccagent',
    '+0:1',
    ':1  a second',
    'remove',
  ],
  'a colon without its space': [usual, 'listen: ', 'listen:', '+0:3', 'behind the colon', 'write "listen: …"'],
  'no colon': [usual, 'publicUrl: ', 'publicUrl ', '+0:3', 'no colon', 'write "publicUrl: …"'],
  'an equals sign': [usual, 'idle: 30m', 'idle = 30m', '+0:3', 'an = stands', 'write "idle: …"'],
  'a remark without its sign': [usual, 'admin:', 'the admin part\nadmin:', '+0:1', 'no colon', 'begin a remark with #'],
  'a quote never closed': [
    usual,
    'Contact Center',
    '"Contact Center',
    '+0:13',
    'siteName: the quote',
    'close it on the',
  ],
  'an apostrophe first': [usual, 'en: Sign', "en: 'Sign", '+0:9', "the quote that opens here (')"],
  'text behind a quote': [
    usual,
    'Contact Center',
    '"Contact" Center',
    '+0:23',
    'behind the closing quote',
    'one pair of quotes',
  ],
  'a bracket closed by a brace': [usual, 'supervisor] }', 'supervisor }', '+0:22', 'the [ here is closed by a }'],
  'a brace never closed': [usual, 'Agents }', 'Agents', '+0:10', 'the { here is never closed', 'close it with }'],
  'a brace too many': [usual, 'Agents }', 'Agents }}', '+0:45', 'one } too many', 'remove it'],
  'a bracket too many': [usual, '[local]', '[local]]', '+0:17', 'one ] too many'],
  'a comma missing': [usual, '[agents], label', '[agents] label', '+0:29', 'roles.agent: a comma is missing'],
  'a colon in a value': [
    usual,
    'Contact Center',
    'Center: Paris',
    '+0:13',
    'siteName: the value holds a colon',
    'in quotes',
  ],
};

const refused: Readonly<Record<string, Mistake>> = {
  'offline logins of a provider that is never away': [
    ldap,
    'login:\n',
    'login:\n  offline: { roles: [], providers: [local] }\n',
    '+1:37',
    'login.offline.providers[0]: must name a provider of type ldap',
  ],
  'offline logins with a role that is not there': [
    ldap,
    'login:\n',
    'login:\n  offline: { roles: [agnt], providers: [directory] }\n',
    '+1:22',
    'names no role: "agnt"',
    'did you mean "agent"?',
  ],
  'offline logins for no time': [
    ldap,
    'login:\n',
    'login:\n  offline: { for: 0s, roles: [], providers: [directory] }\n',
    '+1:19',
    'login.offline.for: is no time',
    'leave login.offline out',
  ],
  'offline logins without a word on roles': [
    ldap,
    'login:\n',
    'login:\n  offline: { providers: [directory] }\n',
    '+1:3',
    'login.offline.roles: is missing',
  ],
  'a domain that leads to nobody': [
    ldap,
    '    searchBase: ',
    '    domains: { CORP: stripp }\n    searchBase: ',
    '+0:22',
    'domains.CORP: must be strip, keep, or the name of a provider',
    'did you mean "strip"?',
  ],
  'a domain with its sign': [
    ldap,
    '    searchBase: ',
    '    domains: { "@corp.example.com": strip }\n    searchBase: ',
    '+0:16',
    'must be a domain such as CORP or corp.example.com',
  ],
  'roles below providers': [
    usual,
    'roles:\n  agent: ',
    '  roles:\n    agent: ',
    '+0:3',
    'providers.roles: is read as a name',
    'belongs at the top of the file: indented too far?',
  ],
  'roles, but not what it holds, below providers': [usual, 'roles:', '  roles:', '+0:3', 'indented too far?'],
  'a key beside the key that holds it': [
    usual,
    'access: { roles: [agent, supervisor] }',
    'access:\n    roles: [agent, supervisor]',
    '+1:5',
    'stands beside "access", which is empty',
    'indent it two more',
  ],
  'a DN without quotes': [
    ldap,
    '"ou=groups,dc=example,dc=com"',
    'ou=groups,dc=example,dc=com',
    '+0:27',
    'ends at the comma',
    'put it in quotes: searchBase: "ou=groups,dc=example,dc=com"',
  ],
  'a location twice': [usual, '/ccmanager/', '/ccagent/', '+0:15', 'is taken by the route ccagent', '(line '],
  'a name twice': [
    usual,
    'name: ccmanager',
    'name: ccagent',
    '+0:11',
    'like another: "ccagent" (line ',
    'another name',
  ],
  'a section twice': [usual, 'pages:', 'login: { timeout: 3s }\npages:', '+0:1', 'first on line ', 'under one of them'],
  'roles twice': [usual, 'pages:', 'roles: { a: { users: [x] } }\npages:', '+0:1', 'first on line '],
  'a key twice': [usual, 'replayPosts: true', 'websocket: false', '+0:5', 'stands twice', 'first on line '],
  'a dash missing': [
    usual,
    '  - name: kibana',
    '    name: kibana',
    '+0:5',
    'a dash is missing',
    'begin each item with "- "',
  ],
  'the line with the dash missing': [
    usual,
    '  - name: kibana\n',
    '',
    '+0:5',
    'location: stands twice in the same item of the list',
    'a dash is missing',
    'begin each item with "- "',
  ],
  'a secret of a header from two places': [
    usual,
    '    replayPosts: true',
    '    headers: { X-Key: { env: PATH, file: key.txt } }',
    '+0:23',
    'X-Key: has env and file, which exclude each other',
    'keep the one that is meant',
  ],
  'a template of a header beside a secret': [
    usual,
    '    replayPosts: true',
    '    headers: { X-Key: { value: x, env: PATH } }',
    '+0:23',
    'X-Key: has value and env, which exclude each other',
  ],
  'a secret from two places': [
    ldap,
    '{ env: PATH }',
    '{ file: key.txt, env: PATH }',
    '+0:22',
    'managerPassword: has file and env, which exclude each other',
  ],
  'a role misspelt': [usual, '[agent, s', '[agents, s', '+0:23', 'names no role: "agents"', 'did you mean "agent"?'],
  'a provider misspelt': [usual, '[local]', '[lokal]', '+0:11', 'names no provider: "lokal"', 'did you mean "local"?'],
  'two roles without a comma': [
    usual,
    '[agent, s',
    '[agent s',
    '+0:23',
    'write a comma between them: [agent, supervisor]',
  ],
  'a directory that is the provider itself': [
    usual,
    'demo/users.yaml,',
    'demo/users.yaml, mustExistIn: local,',
    '+0:62',
    'names itself',
  ],
  'a lookup misspelt': [kerberos, 'lookup: directory', 'lookup: directories', '+0:13', 'did you mean "directory"?'],
  'a certificate that is not there': [https, 'hsts: 365d', 'hsts: 30d', '+2:20', 'xivoxc.crt does not exist'],
  'a key that is known elsewhere only': [
    usual,
    'maxAge: 1h',
    'realms: [X]',
    '+0:39',
    'is not a known key',
    'known here: roles',
  ],
  'a key of an inner section': [
    usual,
    'replayPosts: true',
    'maxAge: 1h',
    '+0:5',
    'under "routes[0].access" or under "routes[0].cors", not under "routes[0]": indented too little?',
  ],
  'a variable that is not ours': [
    usual,
    'location: /\n',
    'location: /\n    headers: { X-U: "$' + '{username}" }\n',
    '+1:21',
    'did you mean $' + '{subject}?',
  ],
  'an upstream without its scheme': [
    usual,
    'http://127.0.0.1:8070',
    '127.0.0.1:8070',
    '+0:15',
    'write http://127.0.0.1:8070',
  ],
  'a variable in an address': [
    usual,
    'http://127.0.0.1:8070',
    'http://$' + '{XUC}:8070',
    '+0:15',
    'write the host itself',
  ],
  'a bare port': [usual, 'listen: http://127.0.0.1:8080', 'listen: 8080', '+0:11', 'write http://127.0.0.1:8080'],
  'quotes of a word processor': [
    usual,
    'http://localhost:8080',
    '“http://localhost:8080”',
    '+0:14',
    'write straight ones',
  ],
  'a duration without its unit': [usual, 'idle: 30m', 'idle: 30', '+0:9', 'say of what: 30s or 30m'],
  'a duration in words': [usual, 'idle: 30m', 'idle: 30 minutes', '+0:9', 'write 30m'],
  'a role as the whole access': [usual, '{ roles: [supervisor] }', 'supervisor', '+0:13', 'such as { roles: [agent] }'],
  'a port of a host that is none': [
    https,
    'host: reporting.example.com',
    'host: reporting.example.com:84450',
    '+0:11',
    'must be a host name such as cc.example.com, cc.example.com:8445',
  ],
  'a host with its scheme': [
    https,
    'host: reporting.example.com',
    'host: https://reporting.example.com',
    '+0:11',
    'must be a host name such as cc.example.com',
  ],
  'a further name with a port': [
    https,
    'redirectHttp: true  ',
    'hosts: [www.example.com:8443] #',
    '+0:11',
    'without a port: it is known with every one',
  ],
  'a network with a name': [
    usual,
    '{ roles: [supervisor] }',
    '{ networks: [office] }',
    '+0:26',
    'access.networks[0]: must be a network such as 10.0.0.0/8',
  ],
  'a network alone': [usual, '{ roles: [supervisor] }', '{ networks: 10.0.0.0/8 }', '+0:25', 'networks: ', 'a list'],
  'no network in a list': [usual, '{ roles: [supervisor] }', '{ networks: [] }', '+0:25', 'must name a network'],
  'any origin with cookies': [
    usual,
    '{ roles: [supervisor] }',
    '{ roles: [supervisor] }\n    cors: { origins: ["*"], credentials: true }',
    '+1:42',
    'cors.credentials: is true beside the origin *',
    'name the origins',
  ],
  'the origin of nobody': [
    usual,
    '{ roles: [supervisor] }',
    '{ roles: [supervisor] }\n    cors: { origins: ["null"] }',
    '+1:23',
    'sandboxed frame',
    'an address of its own',
  ],
  'an origin that is nothing': [
    usual,
    '{ roles: [supervisor] }',
    '{ roles: [supervisor] }\n    cors: { origins: [null] }',
    '+1:23',
    'must be an origin such as https://crm.example.com',
  ],
  'an origin with a path': [
    usual,
    '{ roles: [supervisor] }',
    '{ roles: [supervisor] }\n    cors: { origins: ["https://CRM.example/"] }',
    '+1:23',
    'write https://crm.example',
  ],
  'an origin with a star in it': [
    usual,
    '{ roles: [supervisor] }',
    '{ roles: [supervisor] }\n    cors: { origins: ["https://*.example"] }',
    '+1:23',
    'must be an origin such as',
  ],
  'a method in small letters': [
    usual,
    '{ roles: [supervisor] }',
    '{ roles: [supervisor] }\n    cors: { origins: ["https://crm.example"], methods: [get] }',
    '+1:57',
    'a method in capitals, such as GET',
  ],
  'cors beside preflight': [
    usual,
    '{ roles: [supervisor] }',
    '{ roles: [supervisor] }\n    cors: { origins: ["https://crm.example"] }\n    preflight: pass',
    '+2:16',
    'preflight: stands beside cors:',
    'keep one of the two',
  ],
  'an icon without a label': [
    ldap,
    'location: /ccmanager/',
    'location: /ccmanager/\n    icon: chart',
    '+1:11',
    'icon: is about the start page, which shows routes with a label',
    'write label: too',
  ],
  'a tile that leads nowhere': [
    ldap,
    'location: /ccmanager/',
    'location: ~ ^/cc[a-z]{3}/\n    label: Board',
    '+1:12',
    'a regular expression names no address',
    'write start:',
  ],
  'a tile of a host that is none': [
    ldap,
    'location: /ccmanager/',
    'location: /ccmanager/\n    host: "*.example.com"\n    label: Board',
    '+2:12',
    '*.example.com is no host to lead to',
    'write start: false',
  ],
  'a tile that leads to another site': [
    ldap,
    'location: /ccmanager/',
    'location: /ccmanager/\n    label: Board\n    start: https://evil.example/',
    '+2:12',
    'start: must be true, false, or a path such as /grafana/d/home',
  ],
  'a tile that leads to two slashes': [
    ldap,
    'location: /ccmanager/',
    'location: /ccmanager/\n    label: Board\n    start: //evil.example/',
    '+2:12',
    'start: ',
    'such as /grafana',
  ],
  'satisfy without networks': [
    usual,
    '{ roles: [supervisor] }',
    '{ roles: [supervisor], satisfy: any }',
    '+0:45',
    'there are no networks',
    'networks: [10.0.0.0/8]',
  ],
  'public beside roles': [
    usual,
    '{ roles: [supervisor] }',
    '{ public: true, networks: [10.0.0.0/8], roles: [supervisor] }',
    '+0:60',
    'access.roles: is about who signs in, and public: true asks nobody',
  ],
  'public without networks': [
    usual,
    '{ roles: [supervisor] }',
    '{ public: true }',
    '+0:23',
    'access.public: says that the networks alone decide, and there are no networks',
    'access: public',
  ],
  'public that either satisfies': [
    usual,
    '{ roles: [supervisor] }',
    '{ public: true, networks: [10.0.0.0/8], satisfy: any }',
    '+0:62',
    'would let everybody in',
  ],
  'a network that opens on a site of any host': [
    usual.replace('\n  publicUrl', '\n  anyHost: true\n  publicUrl'),
    '{ roles: [supervisor] }',
    '{ networks: [10.0.0.0/8], satisfy: any }',
    '+0:48',
    'access.satisfy: lets a network in',
    'DNS rebinding',
    'server.hosts',
  ],
  'a mapping for a list': [usual, 'chain: [local]', 'chain: { local: true }', '+0:10', 'begin each item with a dash'],
  'an upstream forgotten': [
    usual,
    '    upstream: http://127.0.0.1:8070\n',
    '',
    '-2:5',
    'upstream: is missing',
    'http://app:8070',
  ],
  'login forgotten': [usual, 'login:\n  chain: [local]\n', '', '', 'login: is missing', 'how users sign in'],
  'a bind DN misspelt': [ldap, 'managerDn', 'managerDN', '+0:5', 'did you mean "managerDn"?'],
  'a value that YAML keeps for itself': [
    ldap,
    '{ env: PATH }',
    '@geheim',
    '+0:22',
    'may not begin with @',
    'in quotes',
  ],
  'a password of digits': [ldap, '{ env: PATH }', '123456', '+0:22', 'put it in quotes'],
  'backslashes in quotes': [
    usual,
    'demo/users.yaml,',
    '"C:\\gate\\users.yaml",',
    '+0:35',
    'no escape',
    'single quotes',
  ],
  'an nginx file': [usual, usual, 'server {\n  listen 80;\n}\n', '+0:1', 'gatehouse import nginx FILE'],
  'an empty file': [usual, usual, '', '+0:1', 'the file is empty', 'login, providers, routes', 'config/examples/'],
};

const signed = (number: number): string => (number < 0 ? String(number) : `+${number}`);

async function checked(folder: string, [text, line, instead]: Mistake): Promise<{ code: number; stderr: string }> {
  assert.ok(text.includes(line), line);
  const file = path.join(folder, 'site.yaml');
  await writeFile(
    file,
    text.replace(line, () => instead),
  );
  return run(['check', '--config', file], { env: { PATH: 'x' } });
}

for (const [name, mistake] of [...Object.entries(unreadable), ...Object.entries(refused)])
  test(`mistakes: ${name} is told once, at its place, with what to do`, async (t) => {
    const [text, spot, , place, ...says] = mistake;
    const { code, stderr } = await checked(await temporaryFolder(t), mistake);
    assert.equal(code, 1, stderr);
    const [first = ''] = stderr.split('\n');
    const [, line = '', column = ''] = /site\.yaml:(\d+):(\d+) {2}/.exec(first) ?? [];
    const from = text.slice(0, text.indexOf(spot)).split('\n').length;
    if (place !== '') assert.equal(`${signed(Number(line) - from)}:${column}`, place, stderr);
    assert.match(stderr, /\n1 error\n$/);
    for (const words of says) assert.ok(stderr.includes(words), `${words}\n${stderr}`);
    assert.ok(/ — |too many|names itself|does not exist|such as|is missing/.test(first), first);
    const caret = / \| +\^+\n/.test(stderr);
    assert.equal(caret, name in unreadable, stderr);
    assert.ok(!stderr.includes('geheim'), stderr);
  });
