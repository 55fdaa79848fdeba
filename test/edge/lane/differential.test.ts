/**
 * The lane and Node's parser read alike: conversations by the name of what is odd in them, and others that are drawn anew in each
 * run, whose seed is printed. `npm run soak differential` has a hundred times as many.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anomalies } from '../../support/differential/anomalies.ts';
import { compareLanes, readAlike, startReaders } from '../../support/differential/compare.ts';
import { answersBelong, startLiar } from '../../support/differential/lies.ts';
import { observe } from '../../support/differential/side.ts';
import { randomSeed } from '../../support/tools/properties.ts';

const cases = 3000;

test('lane: what parsers are known to differ in reads alike with and without it', async (t) => {
  const readers = await startReaders(t);
  const different: string[] = [];
  for (const [name, text] of Object.entries(anomalies))
    await readAlike(readers, { text, cuts: [] }).catch((error: Error) => different.push(`${name}: ${error.message}`));
  assert.deepEqual(different, []);
});

test('lane: the same bytes get the same answers, and the upstream the same requests, with and without it', async (t) => {
  const seed = randomSeed();
  t.diagnostic(`again: PROPERTY_SEED=${seed} npm test -- test/edge/lane/differential.test.ts`);
  const { cases: had, forwarded, byLane } = await compareLanes(await startReaders(t), cases, seed);
  t.diagnostic(`${had} conversations, ${forwarded} requests reached the upstream, ${byLane} by the lane`);
  assert.ok(forwarded > had / 4, `only ${forwarded} requests reached the upstream`);
  assert.ok(byLane > forwarded / 8, `only ${byLane} of ${forwarded} went by the lane`);
});

test('lane: what stands behind a request that ends the connection is read by nobody', async (t) => {
  const smuggled = 'GET /desk?marker=2 HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n';
  const text = `GET /public?marker=1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n${smuggled}`;
  const { on, off } = await startReaders(t);
  const seen = await Promise.all([on, off].map((side) => observe(side, { text, cuts: [] }, 'end')));
  const [withLane, without] = seen.map((look) => look());
  assert.deepEqual(
    withLane?.answers.map((answer) => answer.slice(0, 30)),
    ['HTTP/1.1 200 OK marker 1 close'],
  );
  // Node's parser has an error for it, whose answer overtakes the other.
  assert.match(without?.answers[0] ?? '', /^HTTP\/1\.1 (?:200|400) /);
  for (const side of [on, off])
    assert.equal(side.upstream.received.filter(({ lines: [first = ''] }) => first.includes('marker=2')).length, 0);
});

test('lane: an upstream that lies about the end of an answer spoils nobody else', async (t) => {
  const seed = randomSeed();
  t.diagnostic(`again: PROPERTY_SEED=${seed} npm test -- test/edge/lane/differential.test.ts`);
  const looked = await answersBelong(await startLiar(t), 12, seed);
  assert.ok(looked >= 100, `only ${looked} answers`);
});
