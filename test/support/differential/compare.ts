/**
 * The lane and Node's parser read alike: the same bytes, in the same pieces, come to two gateways that differ in `server.lane`
 * alone, and to `node:http` without any gateway. Compared are the answers, what the upstreams received, whether the connection
 * lived on, and the audit.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { HeadReader } from '../../../src/edge/lane/head.ts';
import { trials } from '../tools/properties.ts';
import { type BareNode, inventions, startBareNode } from './bare-node.ts';
import { type Case, conversation } from './grammar.ts';
import { type Observed, observe, type Side, startSide } from './side.ts';

/** The three that read. */
export interface Readers {
  readonly on: Side;
  readonly off: Side;
  readonly bare: BareNode;
}

/** Starts them; they end with the test. */
export async function startReaders(t: TestContext): Promise<Readers> {
  const [on, off, bare] = await Promise.all([startSide(t, true), startSide(t, false), startBareNode(t)]);
  return { on, off, bare };
}

/** What a comparison came to. */
export interface Compared {
  readonly cases: number;
  /** Requests that reached an upstream through the gateway with the lane, and how many of them by the lane. */
  readonly forwarded: number;
  readonly byLane: number;
}

/** Throws where the two gateways differ, also where the one with the lane has the conversation a second time; how many requests it forwarded. */
async function answerAlike({ on, off }: Readers, one: Case, isRepeated: boolean): Promise<readonly string[]> {
  // What is left to Node's parser it may have under way before the answers of those before it are out: by chance.
  const until = isRead(one) ? 'end' : 'answer';
  const [withLane, without] = await Promise.all([observe(on, one, until), observe(off, one, until)]);
  await agree(withLane, without);
  const { received } = withLane();
  if (!isRepeated) return received;
  const expected = without();
  await agree(await observe(on, one, until), () => expected);
  return [...received, ...received];
}

/** Throws where the three differ; how many requests the gateway with the lane forwarded. */
export async function readAlike(readers: Readers, one: Case): Promise<number> {
  const until = isRead(one) ? 'end' : 'answer';
  const [received, readings] = await Promise.all([answerAlike(readers, one, false), readers.bare.read(one, until)]);
  assert.deepEqual(inventions(received, readings), [], 'node:http reads each of these out of the same bytes');
  return received.length;
}

/** What is audited may be written a moment after the answer. */
async function agree(left: () => Observed, right: () => Observed): Promise<void> {
  for (let tries = 0; tries < 20 && !isDeepStrictEqual(left(), right()); tries += 1) await delay(20);
  assert.deepEqual(left(), right());
}

const reader = new HeadReader(65_536);

/** Whether the lane takes the first request, and does not leave the connection to Node at once. */
function isRead({ text }: Case): boolean {
  const bytes = text.replaceAll('{host}', 'gate.test').replaceAll('{cookie}', 'gatehouse=x');
  return typeof reader.read(Buffer.from(bytes, 'latin1')) === 'object';
}

/** Draws so many conversations by this seed; the first that differs is made small and thrown. */
export async function compareLanes(readers: Readers, cases: number, seed: number): Promise<Compared> {
  let [forwarded, drawn, foreign] = [0, 0, 0];
  const before = carriedByLane(readers.on);
  await fc.assert(
    fc.asyncProperty(conversation, fc.boolean(), async (one, isKept) => {
      // Whatever the lane leaves alone is the same parser twice: of these some are enough, and no chains of them.
      if (!isRead(one)) fc.pre(one.text.split(' HTTP/1.1').length === 2 && foreign++ % 3 === 0);
      drawn += 1;
      // One that comes again may be found among those that are kept; a head that is like no other is read anew.
      if (isKept) forwarded += (await answerAlike(readers, one, true)).length;
      else forwarded += await readAlike(readers, { ...one, text: unlike(one.text, drawn) });
    }),
    { ...trials(cases), seed },
  );
  return { cases: drawn, forwarded, byLane: carriedByLane(readers.on) - before };
}

/** Puts a line that no other conversation has behind the lines that say the host. */
function unlike(text: string, count: number): string {
  return text.replaceAll(
    /^(host: \{host\})(\r\n|\n|\r)/gim,
    (_, line: string, eol: string) => `${line}${eol}X-Case: ${count}${eol}`,
  );
}

function carriedByLane({ gate }: Side): number {
  return gate.lines.filter((line) => line.includes('"lane":true')).length;
}
