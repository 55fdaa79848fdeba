/**
 * The lane and Node's parser read alike: the same bytes, in the same pieces, come to two gateways that differ in
 * `server.lane` alone. Compared are the answers, what the upstream received, whether the connection lived on, and the audit.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { HeadReader } from '../../../src/edge/lane/head.ts';
import { gateway, type TestGateway } from '../../support/scenes/gateway.ts';
import { passwords, siteConfig, staff } from '../../support/scenes/site.ts';
import { Visitor } from '../../support/scenes/visitor.ts';
import {
  type Recorded,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../../support/servers/recording-upstream.ts';
import { trials } from '../../support/tools/properties.ts';

/** One gateway with agent1 signed in. */
interface Side {
  readonly gate: TestGateway;
  readonly upstream: RecordingUpstream;
  readonly cookie: string;
}

async function side(t: TestContext, lane: boolean): Promise<Side> {
  const upstream = await startRecordingUpstream(t);
  const gate = await gateway(t, {
    users: staff,
    config: { ...siteConfig(upstream.origin), server: { lane, keepAlive: '60s' }, audit: { requests: 'all' } },
  });
  const visitor = new Visitor(gate.url);
  await visitor.mustSignIn('agent1', passwords.agent1);
  return { gate, upstream, cookie: visitor.cookieHeader };
}

/** What both sides must agree on. */
interface Observed {
  readonly answers: readonly string[];
  readonly received: readonly string[];
  readonly audit: readonly string[];
}

/** Bytes with `{host}` and `{cookie}` in them, cut in pieces at these offsets. */
interface Case {
  readonly text: string;
  readonly cuts: readonly number[];
}

const end = 'GET /public/end HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n';

/** Node's parser takes nothing behind a request that ends the connection, and its error overtakes the answer. */
const saysClose = /^connection:[\t ]*close/im;

async function observe({ gate, upstream, cookie }: Side, { text, cuts }: Case): Promise<Observed> {
  const from = { received: upstream.received.length, audit: gate.audit('request').length };
  const bytes = Buffer.from(
    (text + (saysClose.test(text) ? '' : end)).replaceAll('{host}', gate.url.host).replaceAll('{cookie}', cookie),
    'latin1',
  );
  const answers = answersIn(await send(Number(gate.url.port), bytes, cuts));
  // Whether an answer of the gateway's own ends the connection hangs on whether Node has seen the end of the request by then.
  const own = answers.findIndex((said) => !said.includes(' marker '));
  const isCompared = (said: string): boolean => own === -1 || !said.includes('/public/end');
  const neutral = (said: string): string =>
    said.replaceAll(gate.url.host, 'HOST').replaceAll(gate.url.port, 'PORT').replaceAll(cookie, 'COOKIE');
  return {
    answers: (own === -1 ? answers : answers.slice(0, own + 1)).map(neutral),
    // What is sent ahead Node's parser has under way at once, the lane one after the other.
    received: upstream.received
      .slice(from.received)
      .map((one) => neutral(requestText(one)))
      .filter(isCompared)
      .toSorted(),
    audit: gate
      .audit('request')
      .slice(from.audit)
      // Whoever is cut is recorded after that.
      .filter(({ status }) => status !== 499)
      .map(({ verdict, status, method, route, path, reason, detail, user }) =>
        neutral(JSON.stringify({ verdict, status, method, route, path, reason, detail, user })),
      )
      .filter(isCompared)
      .toSorted(),
  };
}

/** Writes piece after piece and reads to the end, or until nothing has come for a while. */
function send(port: number, bytes: Buffer, cuts: readonly number[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const quiet = setTimeout(() => finish(' [open]'), 1500);
    const finish = (how: string): void => {
      clearTimeout(quiet);
      socket.destroy();
      resolve(text + how);
    };
    socket.on('error', () => undefined).on('close', () => finish(''));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      quiet.refresh();
    });
    const offsets = [...new Set(cuts.map((cut) => cut % bytes.length))].toSorted((one, other) => one - other);
    const pieces = [0, ...offsets].map((offset, index) => bytes.subarray(offset, offsets[index] ?? bytes.length));
    const next = (): void => {
      const piece = pieces.shift();
      if (!piece) return;
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

/** Lines that every parser takes. */
const goodLine = fc.constantFrom(
  ...['Accept: text/html', 'X-My-Header: 1', 'x-my-header: 2', 'SOAPAction: "urn:x"', 'Accept-Language: de, en'],
  ...['User-Agent: test', 'X-Caller: J\xfcrgen', 'X-Empty:', 'X-Empty: ', 'X-Tight:value', 'Cookie: a=b; c=d'],
  ...['X-Remote-User: admin', 'X_Remote_User: admin', 'Referer: http://{host}/x', 'Accept-Encoding: gzip'],
  ...['If-None-Match: "x"', 'Range: bytes=0-1', 'Connection: keep-alive', 'Origin: http://{host}', 'X-Odd:  two'],
  ...['X-Forwarded-For: 10.0.0.1', 'Authorization: Bearer x', 'Content-Type: text/plain', 'X-Long: {long}'],
  ...['X-Odd:\tx', 'X-Odd: x ', 'X-Odd: x\t', 'Keep-Alive: timeout=5', 'TE: trailers', 'Connection: X-My-Header'],
);

/** Lines that say something of the connection or the body, or that no parser should take. */
const oddLine = fc.constantFrom(
  ...['Connection: close', 'Connection: keep-alive, X-My-Header', 'Connection:', 'HTTP2-Settings: x', 'Trailer: X-A'],
  ...['Connection: upgrade', 'Upgrade: websocket', 'Upgrade: h2c', 'Expect: 100-continue', 'Expect: x'],
  ...['Transfer-Encoding: chunked', 'Transfer-Encoding: gzip', 'Transfer_Encoding: chunked', 'Content-Length: -1'],
  ...['Content-Length: 0', 'Content-Length: +3', 'Content-Length: 3, 3', 'Content-Length: 0x3'],
  ...['Content_Length: 3', 'Content-Length: 99999999999999999999'],
  ...['Host: other.example', 'host: {host}', ' Folded: x', '\tfolded', 'X-Odd : x', 'NoColon', ': empty', 'X Y: 1'],
  ...['X-Bare: a\rb', 'X-Bare: a\nX-Next: b', 'X-Nul: a\0b', 'X-Del: \x7f', 'X-High\x80: x', 'X-"Q": 1'],
  ...['X-Odd: a\r\n b', `X-${'n'.repeat(300)}: 1`, 'X-Vt: \x0b', 'X-Nbsp: \xa0x', 'Host : {host}', '\r'],
);

const goodTarget = fc.constantFrom(
  ...['/public', '/public/a?b=c&d', '/poll/x', '/desk', '/plain/%C3%A9', '/admin', '/closed/x', '/fresh/x', '/public/'],
  ...['//public', '/public/../desk', '/public/./x', '/a%2fb', '/public%5cx', '/public;a=b', '/%zz', '/"<>\\^`{|}'],
  ...['/_gate/session', '/_gate/auth', '/_gate/jwks.json', '/_gate/a%2fb', `/public/${'p'.repeat(3000)}`],
);

const oddTarget = fc.constantFrom(
  ...[
    '*',
    'public',
    'http://{host}/public',
    'http://other.example/public',
    '/pub lic',
    '/public\t',
    '/\xe9',
    '/public#x',
  ],
);

const goodMethod = fc.constantFrom('GET', 'GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND');
const oddMethod = fc.constantFrom('TRACE', 'CONNECT', 'get', 'FOO', 'GE T', '', ' GET', 'PRI');

interface Body {
  readonly lines: readonly string[];
  readonly text: string;
}

const goodBody = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Body>({ lines: [], text: '' }) },
  { weight: 2, arbitrary: fc.constant<Body>({ lines: ['Content-Length: 5'], text: 'hello' }) },
  { weight: 1, arbitrary: fc.constant<Body>({ lines: ['content-length: 03'], text: 'hey' }) },
  { weight: 1, arbitrary: fc.constant<Body>({ lines: ['Content-Length: 3000'], text: 'h'.repeat(3000) }) },
  {
    weight: 1,
    arbitrary: fc.constant<Body>({ lines: ['Transfer-Encoding: chunked'], text: '5\r\nhello\r\n0\r\n\r\n' }),
  },
);

/** Mostly what is good, and else what is odd. */
function mostly<Value>(good: fc.Arbitrary<Value>, odd: fc.Arbitrary<Value>, weight = 8): fc.Arbitrary<Value> {
  return fc.oneof({ weight, arbitrary: good }, { weight: 1, arbitrary: odd });
}

interface Grammar {
  readonly method: fc.Arbitrary<string>;
  readonly target: fc.Arbitrary<string>;
  readonly version: fc.Arbitrary<string>;
  readonly gap: fc.Arbitrary<string>;
  readonly host: fc.Arbitrary<readonly string[]>;
  readonly line: fc.Arbitrary<string>;
  readonly eol: fc.Arbitrary<string>;
  readonly body: fc.Arbitrary<Body>;
}

/** Whether the site forwards what is asked for, by whatever method. */
function isForwarded(target: string, session: boolean): boolean {
  return /^\/public(?:$|\/[a?])/.test(target) || (session && /^\/(?:poll\/x|desk|plain\/%C3%A9)$/.test(target));
}

const noBody: Body = { lines: [], text: '' };

function requestBy({ line, ...grammar }: Grammar): fc.Arbitrary<string> {
  const parts = {
    ...grammar,
    session: fc.boolean(),
    lines: fc.uniqueArray(line, { maxLength: 5, selector: (one) => one.split(':', 1).join().toLowerCase() }),
    marker: fc.nat({ max: 9999 }),
  };
  return fc.record(parts).map(({ method, target, version, gap, host, session, lines, eol, body: sent, marker }) => {
    const isPath = target.startsWith('/') && !/[# \t]/.test(target);
    const marked = isPath ? `${target}${target.includes('?') ? '&' : '?'}marker=${marker}` : target;
    const cookie = session ? ['Cookie: {cookie}'] : [];
    // A refusal ends the connection where the body has not come whole, and whether it has is chance in both.
    const body = isForwarded(target, session) ? sent : noBody;
    const all = [`${method}${gap}${marked}${gap}${version}`, ...host, ...cookie, ...lines, ...body.lines];
    return `${all.join(eol)}${eol}${eol}${body.text}`.replaceAll('{long}', 'x'.repeat(5000));
  });
}

const good: Grammar = {
  ...{ method: goodMethod, target: goodTarget, line: goodLine, body: goodBody },
  version: fc.constant('HTTP/1.1'),
  gap: fc.constant(' '),
  host: fc.constant(['Host: {host}']),
  eol: fc.constant('\r\n'),
};

/** What everybody may have, and the upstream answers. */
const carried: Grammar = { ...good, target: fc.constantFrom('/public', '/public/a?b=c&d', '/public/', '/public/./x') };

const odd: Grammar = {
  method: mostly(goodMethod, oddMethod),
  target: mostly(goodTarget, oddTarget, 4),
  line: mostly(goodLine, oddLine, 2),
  version: mostly(good.version, fc.constantFrom('HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', ''), 12),
  gap: mostly(good.gap, fc.constantFrom('  ', '\t', ''), 20),
  host: mostly(
    good.host,
    fc.constantFrom<string[]>([], ['Host: other.example'], ['Host:'], ['Host: {host}', 'Host: {host}']),
    10,
  ),
  eol: mostly(good.eol, fc.constantFrom('\n', '\r'), 30),
  body: goodBody,
};

/**
 * One request of any kind, or several good ones: of what stands behind a request that is none Node's parser knows before the
 * answers of those before it are out, so that which of them come is a matter of chance there.
 */
const conversation: fc.Arbitrary<Case> = fc
  .record({
    text: fc.oneof(
      { weight: 2, arbitrary: requestBy(odd) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.array(requestBy(carried), { minLength: 1, maxLength: 4 }), requestBy(good))
          .map(([requests, last]) => [...requests, last].join('')),
      },
    ),
    cuts: mostly(fc.constant<number[]>([]), fc.array(fc.nat(), { maxLength: 4 }), 1),
  })
  // A refusal ends the connection where the body has not come whole, which is a matter of time in both.
  .map(({ text, cuts }) => ({ text, cuts: /^(?:content.length|transfer.encoding):/im.test(text) ? [] : cuts }));

const reader = new HeadReader(65_536);

/** Whether the lane takes the first request, and does not leave the connection to Node at once. */
function isRead({ text }: Case, { gate, cookie }: Side): boolean {
  const bytes = text.replaceAll('{host}', gate.url.host).replaceAll('{cookie}', cookie);
  return typeof reader.read(Buffer.from(bytes, 'latin1')) === 'object';
}

test('lane: the same bytes get the same answers, and the upstream the same requests, with and without it', async (t) => {
  const [on, off] = await Promise.all([side(t, true), side(t, false)]);
  let forwarded = 0;
  await fc.assert(
    fc.asyncProperty(conversation, async (one) => {
      // What the lane does not read it leaves to Node's parser as it came, which is not asked twice here.
      fc.pre(isRead(one, on));
      const [withLane, without] = await Promise.all([observe(on, one), observe(off, one)]);
      assert.deepEqual(withLane, without);
      forwarded += withLane.received.length;
    }),
    trials(1000),
  );
  t.diagnostic(`${forwarded} requests reached the upstream`);
  assert.ok(forwarded > 0);
  const lanes = on.gate.audit('request').filter(({ lane }) => lane === true).length;
  assert.ok(lanes > forwarded / 8, `only ${lanes} of ${forwarded} went by the lane`);
  assert.equal(off.gate.audit('request').filter(({ lane }) => lane === true).length, 0);
});
