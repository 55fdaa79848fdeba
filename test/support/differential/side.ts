/** A gateway that is asked in a comparison: its upstream writes down what it gets, and what it answers and audits is read back. */
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { gateway, type TestGateway } from '../scenes/gateway.ts';
import { passwords, siteConfig, staff } from '../scenes/site.ts';
import { Visitor } from '../scenes/visitor.ts';
import { type Recorded, type RecordingUpstream, startRecordingUpstream } from '../servers/recording-upstream.ts';
import type { Case } from './grammar.ts';

/** One gateway with agent1 signed in. */
export interface Side {
  readonly gate: TestGateway;
  readonly upstream: RecordingUpstream;
  readonly cookie: string;
}

/** Starts one, with the lane or without. */
export async function startSide(t: TestContext, lane: boolean): Promise<Side> {
  const upstream = await startRecordingUpstream(t);
  const gate = await gateway(t, {
    users: staff,
    config: { ...siteConfig(upstream.origin), server: { lane, keepAlive: '60s' }, audit: { requests: 'all' } },
  });
  const visitor = new Visitor(gate.url);
  await visitor.mustSignIn('agent1', passwords.agent1);
  return { gate, upstream, cookie: visitor.cookieHeader };
}

/** What both gateways must agree on. */
export interface Observed {
  readonly answers: readonly string[];
  readonly received: readonly string[];
  readonly audit: readonly string[];
}

/** How far a conversation is followed: until the connection ends, or until its first answer is whole. */
export type Until = 'end' | 'answer';

const end = 'GET /public/end HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n';
/** Node's parser takes nothing behind a request that ends the connection, and its error overtakes the answer. */
const saysClose = /^connection:[\t ]*close/im;

/** The bytes of a conversation at one host; one that is followed to the end ends with a request that closes the connection. */
export function bytesOf({ text }: Case, { host, cookie }: { host: string; cookie: string }, until: Until): Buffer {
  const whole = text + (until === 'answer' || saysClose.test(text) ? '' : end);
  return Buffer.from(whole.replaceAll('{host}', host).replaceAll('{cookie}', cookie), 'latin1');
}

/** Has a conversation with a gateway; what is called then says what has been seen of it by that moment. */
export async function observe({ gate, upstream, cookie }: Side, one: Case, until: Until): Promise<() => Observed> {
  const from = { received: upstream.received.length, lines: gate.lines.length };
  const bytes = bytesOf(one, { host: gate.url.host, cookie }, until);
  const said = answersIn(await send(Number(gate.url.port), bytes, one.cuts, { until }));
  const answers = until === 'answer' ? said.slice(0, said.findIndex((one) => !/^HTTP\S+ 1/.test(one)) + 1) : said;
  // Whether an answer of the gateway's own ends the connection hangs on whether Node has seen the end of the request by then.
  const own = answers.findIndex((said) => !said.includes(' marker '));
  const isCompared = (said: string): boolean => own === -1 || !said.includes('/public/end');
  const neutral = (said: string): string =>
    said.replaceAll(gate.url.host, 'HOST').replaceAll(gate.url.port, 'PORT').replaceAll(cookie, 'COOKIE');
  return () => ({
    answers: (own === -1 ? answers : answers.slice(0, own + 1)).map(neutral),
    // What is sent ahead Node's parser has under way at once, the lane one after the other.
    received: upstream.received
      .slice(from.received)
      .map((request) => neutral(requestText(request)))
      .filter(isCompared)
      .toSorted(),
    audit: gate.lines
      .slice(from.lines)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      // Whoever is cut is recorded after that.
      .filter(({ event, status }) => event === 'request' && status !== 499)
      .map(({ verdict, status, method, route, path, reason, detail, user }) =>
        neutral(JSON.stringify({ verdict, status, method, route, path, reason, detail, user })),
      )
      .filter(isCompared)
      .toSorted(),
  });
}

/** Whether an answer has come whole; the first, behind any of status 1xx. */
function hasAnswer(text: string): boolean {
  const [, head = '', body = ''] = /(HTTP\/1\.1 [2-5]\d\d [\s\S]*?\r\n\r\n)([\s\S]*)/.exec(text) ?? [];
  if (head === '') return false;
  if (/^transfer-encoding: chunked/im.test(head)) return body.endsWith('0\r\n\r\n');
  return body.length >= Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
}

const silentSteps = 6;

/** Writes piece after piece and reads to the end, or until nothing has come for a while. */
export function send(
  port: number,
  bytes: Buffer,
  cuts: readonly number[],
  { until }: { readonly until: Until },
): Promise<string> {
  const isHead = bytes.toString('latin1', 0, 4) === 'HEAD';
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    // In several steps: where the machine has kept this process waiting, what has come meanwhile is read between them.
    let steps = 0;
    const quiet = setInterval(() => {
      steps += 1;
      if (steps === silentSteps) finish(' [open]');
    }, 1500 / silentSteps);
    const finish = (how: string): void => {
      clearInterval(quiet);
      socket.destroy();
      resolve(text + how);
    };
    socket.on('error', () => undefined).on('close', () => finish(''));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      steps = 0;
      if (until === 'answer' && (hasAnswer(text) || (isHead && text.endsWith('\r\n\r\n')))) finish('');
    });
    const offsets = [...new Set(cuts.map((cut) => cut % bytes.length))].toSorted((one, other) => one - other);
    const pieces = [0, ...offsets].map((offset, index) => bytes.subarray(offset, offsets[index] ?? bytes.length));
    const next = (): void => {
      const piece = pieces.shift();
      if (!piece) return;
      steps = 0;
      socket.write(piece);
      setImmediate(() => setImmediate(next));
    };
    socket.setNoDelay(true).once('connect', next);
  });
}

/** Of each answer its status, its marker, and the names of its headers; whether the connection was still open at the end. */
function answersIn(text: string): string[] {
  const answers = text.split(/(?=HTTP\/1\.1 \d{3})/).map((answer) => {
    const [head = ''] = answer.split('\r\n\r\n', 1);
    const [status = '', ...lines] = head.split('\r\n');
    const names = lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase()).toSorted();
    const marker = /^x-marker: (.*)$/im.exec(head)?.[1] ?? '';
    const connection = /^connection: (.*)$/im.exec(head)?.[1] ?? '';
    if (marker === '') return [status, ...names.filter((name) => !/^(?:connection|keep-alive)$/.test(name))].join(' ');
    return [status, 'marker', marker, connection, ...names].join(' ');
  });
  return text.endsWith('[open]') ? [...answers, 'open'] : answers;
}

/** A request without what differs each time. */
function requestText({ lines: [first, ...lines], body }: Recorded): string {
  const told = lines
    // undici spells the Host by itself.
    .map((line) =>
      line
        .replace(/^host: /i, 'host: ')
        .replace(/^(x-request-id|traceparent|x-gatehouse-assertion|connection): .*/, '$1'),
    )
    .toSorted();
  return [first, ...told, '', body].join('\n');
}
