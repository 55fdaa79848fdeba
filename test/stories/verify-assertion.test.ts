/**
 * The verifiers of docs/examples/verify-assertion, run as their readers would: over tokens of a real gateway, and over forged
 * ones. Node always; Python and Java where they are installed.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';
import { passwords, site } from '../support/scenes/site.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const folder = path.resolve(import.meta.dirname, '../../docs/examples/verify-assertion');
const origin = 'https://cc.example.com';
const application = 'http://xuc:8070';

/** A language with a verifier. */
interface Language {
  readonly name: string;
  readonly skip: string | false;
  /** The command line before issuer, audience and keys. */
  prepare(t: TestContext): Promise<readonly string[]>;
}

const runs = (program: string, ...parameters: readonly string[]): boolean =>
  spawnSync(program, parameters, { stdio: 'ignore' }).status === 0;

/** Debian's own Python has the packages, and need not be the first in the path. */
const python = ['python3', '/usr/bin/python3'].find((program) => runs(program, '-c', 'import jwt, cryptography'));

const languages: readonly Language[] = [
  { name: 'node.mjs', skip: false, prepare: async () => [process.execPath, path.join(folder, 'node.mjs')] },
  {
    name: 'verify.py',
    skip: python || process.env.CI ? false : 'PyJWT is not installed: apt-get install python3-jwt python3-cryptography',
    prepare: async () => [python ?? 'python3', path.join(folder, 'verify.py')],
  },
  {
    name: 'Verify.java',
    skip: runs('javac', '--version') ? false : 'there is no Java compiler: apt-get install default-jdk-headless',
    prepare: async (t) => {
      const classes = await temporaryFolder(t);
      const source = path.join(folder, 'Verify.java');
      const { status, stderr } = spawnSync('javac', ['-Xlint:all', '-Werror', '-d', classes, source], {
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
      return ['java', '-XX:TieredStopAtLevel=1', '-cp', classes, 'Verify'];
    },
  },
];

interface Setting {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: string;
}

/** Runs a verifier over tokens; an answer each: the claims, or `refused: ` and why. */
async function verify(command: readonly string[], { issuer, audience, keys }: Setting, tokens: readonly string[]) {
  const [program = '', ...parameters] = command;
  // Java writes what the locale's encoding has no letter for as a question mark.
  const env = { ...process.env, LC_ALL: 'C.UTF-8' };
  const child = spawn(program, [...parameters, issuer, audience, keys], { stdio: ['pipe', 'pipe', 'inherit'], env });
  child.stdin.on('error', () => undefined);
  child.stdin.end(tokens.map((token) => `${token}\n`).join(''));
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  assert.equal(child.exitCode, 0);
  const answers = output.trimEnd().split('\n');
  assert.equal(answers.length, tokens.length, output);
  return answers;
}

/** A server that publishes keys as the gateway does. */
async function publish(t: TestContext, keys: readonly object[]): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  });
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/_gate/jwks.json`;
}

const now = (): number => Math.floor(Date.now() / 1000);
const good = (): JWTPayload => ({ sub: 'alice', iss: origin, aud: application, iat: now(), exp: now() + 60 });

const sign = (claims: JWTPayload, key: KeyObject | Uint8Array, alg = 'EdDSA', kid = 'one'): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'JWT' }).sign(key);

const unsigned = (claims: JWTPayload): string =>
  `${[{ alg: 'none', kid: 'one' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`;

/** The same token with other claims, and the signature of the old ones. */
function withClaims(token: string, change: JWTPayload): string {
  const [head, body = '', signature] = token.split('.');
  const claims = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), ...change };
  return [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
}

for (const { name, skip, prepare } of languages)
  test(`verify-assertion: ${name} takes what a gateway sends its application, and nothing else`, {
    skip,
  }, async (t) => {
    const command = await prepare(t);
    const { url, upstream, visitor } = await site(t);
    const browser = visitor();
    await browser.mustSignIn('supervisor1', passwords.supervisor1);
    await browser.open('/');
    const [token = ''] = upstream.received.at(-1)?.values('x-gatehouse-assertion') ?? [];
    const keys = new URL('/_gate/jwks.json', url).href;
    const setting = { issuer: url.origin, audience: upstream.origin, keys };

    const [taken = '', ...altered] = await verify(command, setting, [
      token,
      withClaims(token, { sub: 'admin' }),
      withClaims(token, { exp: now() + 3600 }),
    ]);
    assert.match(taken, /supervisor1/);
    assert.match(taken, /Zo(?:ë|\\u00eb) M(?:ü|\\u00fc)ller/);
    for (const answer of altered) assert.match(answer, /^refused: /);
    for (const other of [
      { ...setting, audience: 'http://other:8070' },
      { ...setting, issuer: 'https://evil.example' },
      { ...setting, keys: new URL('/nothing', upstream.url).href },
    ])
      assert.match((await verify(command, other, [token])).join(), /^refused: /);
  });

for (const { name, skip, prepare } of languages)
  test(`verify-assertion: ${name} refuses what is expired, forged, or says too little`, { skip }, async (t) => {
    const command = await prepare(t);
    const ours = generateKeyPairSync('ed25519');
    const theirs = generateKeyPairSync('ed25519');
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const published = { ...(await exportJWK(ours.publicKey)), kid: 'one', alg: 'EdDSA', use: 'sig' };
    const keys = await publish(t, [published, { ...(await exportJWK(curve.publicKey)), kid: 'two' }]);
    const { exp: _exp, ...endless } = good();
    const { sub: _sub, ...nobody } = good();
    const secret = Buffer.from(published.x ?? '', 'base64url');
    const expired = { ...good(), iat: now() - 120, exp: now() - 60 };

    const cases: Readonly<Record<string, readonly [token: string | Promise<string>, isGood?: true]>> = {
      'a good token': [sign(good(), ours.privateKey), true],
      'one for several applications': [
        sign({ ...good(), aud: ['http://other:1', application] }, ours.privateKey),
        true,
      ],
      'an expired one': [sign(expired, ours.privateKey)],
      'one without an end': [sign(endless, ours.privateKey)],
      'one without a subject': [sign(nobody, ours.privateKey)],
      'one of the future': [sign({ ...good(), iat: now() + 600, exp: now() + 660 }, ours.privateKey)],
      'one signed by somebody else': [sign(good(), theirs.privateKey)],
      'one with a key that is not published': [sign(good(), ours.privateKey, 'EdDSA', 'three')],
      'one with another algorithm': [sign(good(), curve.privateKey, 'ES256', 'two')],
      'one signed with the public key as a secret': [sign(good(), secret, 'HS256')],
      'one without a signature': [unsigned(good())],
      'one with a part too many': [sign(good(), ours.privateKey).then((token) => `${token}.`)],
      'no token at all': [''],
      garbage: ['a.b.c'],
      'a good one after all these': [sign(good(), ours.privateKey), true],
    };
    const tokens = await Promise.all(Object.values(cases).map(([token]) => token));
    const answers = await verify(command, { issuer: origin, audience: application, keys }, tokens);
    for (const [index, [what, [, isGood]]] of Object.entries(cases).entries())
      assert.equal(answers[index]?.startsWith('refused: '), isGood !== true, `${what}: ${answers[index]}`);
  });
