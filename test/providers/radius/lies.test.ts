/** What a RADIUS server must not be believed: answers that nobody with the secret has made to this very request. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { radiusProvider } from '../../support/scenes/radius-provider.ts';
import { answerTo, type Lie, lyingRadius, lyingSecret } from '../../support/servers/lying-radius.ts';
import { passwordAttempt } from '../../support/tools/attempt.ts';
import { keptLog } from '../../support/tools/log-lines.ts';

const options = { secret: lyingSecret, timeout: '300ms', retries: 0 };
const attempt = () => passwordAttempt('agent1', 'a-password-3f0a');

const lies: Readonly<Record<string, Lie>> = {
  'without a Message-Authenticator': (request) => [answerTo(request, { marks: [] })],
  'with a wrong Message-Authenticator': (request) => [answerTo(request, { marks: ['wrong'] })],
  'with two of them, one of which is wrong': (request) => [answerTo(request, { marks: ['right', 'wrong'] })],
  'with the same one twice': (request) => [answerTo(request, { marks: ['right', 'right'] })],
  'made with another secret': (request) => [answerTo(request, { secret: 'another-secret' })],
  'with a wrong Response-Authenticator': (request) => [answerTo(request, { authenticator: Buffer.alloc(16, 1) })],
  'to another id': (request) => [answerTo(request, { id: ((request.bytes[1] ?? 0) + 1) % 256 })],
  'from another port': (request) => [{ fromElsewhere: answerTo(request) }],
  truncated: (request) => [answerTo(request).subarray(0, -1)],
  'shorter than a header': (request) => [answerTo(request).subarray(0, 19)],
  'of no bytes': () => [Buffer.alloc(0)],
  'whose attributes are longer than the packet': (request) => [
    answerTo(request, { attributes: [[25, 'x']], lastLength: 9 }),
  ],
  'of a code that is no answer': (request) => [answerTo(request, { code: 1 })],
  'with two States': (request) => [
    answerTo(request, {
      code: 11,
      attributes: [
        [24, 'a'],
        [24, 'b'],
      ],
    }),
  ],
  'that is our own request': ({ bytes }) => [bytes],
};

for (const [what, lie] of Object.entries(lies))
  test(`radius: an Access-Accept ${what} is as no answer`, async (t) => {
    const { address } = await lyingRadius(t, lie);
    const outcome = await radiusProvider(t, { ...options, servers: address }).attempt(attempt());
    assert.equal(outcome.kind, 'unavailable');
  });

test('radius: lies before the true answer do not keep it out', async (t) => {
  const { address } = await lyingRadius(t, (request) => [
    ...Object.values(lies).flatMap((lie) => lie(request)),
    answerTo(request, { code: 3 }),
    answerTo(request),
  ]);
  const log = keptLog();
  const outcome = await radiusProvider(t, { ...options, servers: address }, { log }).attempt(attempt());
  assert.deepEqual(outcome, { kind: 'rejected', reason: 'bad-password' });
  assert.ok(log.text().includes('Message-Authenticator'));
});

test('radius: octets behind the length are padding', async (t) => {
  const { address } = await lyingRadius(t, (request) => [Buffer.concat([answerTo(request), Buffer.from('padding')])]);
  assert.equal((await radiusProvider(t, { ...options, servers: address }).attempt(attempt())).kind, 'authenticated');
});

test('radius: a packet is sent again as it was, at growing intervals, and an answer to any of them counts', async (t) => {
  const at: number[] = [];
  const { address, seen } = await lyingRadius(t, (request) => {
    at.push(performance.now());
    return at.length === 3 ? [answerTo(request)] : [];
  });
  const provider = radiusProvider(t, { ...options, servers: address, timeout: '1s', retries: 2 });
  assert.equal((await provider.attempt(attempt())).kind, 'authenticated');
  const [first, second, third] = seen;
  assert.ok(first && second && third && seen.length === 3);
  assert.ok(first.bytes.equals(second.bytes) && first.bytes.equals(third.bytes) && first.port === third.port);
  const [a = 0, b = 0, c = 0] = at;
  assert.ok(c - b > 1.2 * (b - a), `${b - a} ms, then ${c - b} ms`);
});

test('radius: no id is in use twice on a port, and an answer to one login says nothing of another', async (t) => {
  const total = 200;
  const { address, seen } = await lyingRadius(t, () => []);
  const provider = radiusProvider(t, { ...options, servers: address, timeout: '1s' });
  const outcomes = await Promise.all(Array.from({ length: total }, () => provider.attempt(attempt())));
  assert.ok(outcomes.every(({ kind }) => kind === 'unavailable'));
  assert.equal(seen.length, total);
  assert.equal(new Set(seen.map(({ bytes, port }) => `${port} ${bytes[1]}`)).size, total);
  assert.equal(new Set(seen.map(({ bytes }) => bytes.toString('hex', 4, 20))).size, total, 'authenticators');
});

test('radius: the request has its Message-Authenticator first, and the password is not in it', async (t) => {
  const { address, seen } = await lyingRadius(t, (request) => [answerTo(request)]);
  await radiusProvider(t, { ...options, servers: address }).attempt(attempt());
  const [bytes = Buffer.alloc(0)] = seen.map((request) => request.bytes);
  assert.deepEqual([...bytes.subarray(20, 22)], [80, 18]);
  assert.ok(!bytes.includes('a-password-3f0a'));
  assert.ok(bytes.includes('agent1') && bytes.includes('gatehouse') && bytes.includes('127.0.0.1'));
});
