/**
 * Conversations of a client with a gateway, drawn from a grammar of requests: what every parser takes, and what no parser should
 * take or parsers are known to take differently. `{host}` and `{cookie}` stand for those of the gateway that is asked.
 */
import fc from 'fast-check';

/** Bytes with `{host}` and `{cookie}` in them, cut in pieces at these offsets. */
export interface Case {
  readonly text: string;
  readonly cuts: readonly number[];
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

/** A piece of each byte, from an offset on. */
function eachByteFrom(offset: number): number[] {
  return Array.from({ length: 60 }, (_, index) => offset + index);
}

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
export const conversation: fc.Arbitrary<Case> = fc
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
    cuts: fc.oneof(
      { weight: 4, arbitrary: fc.constant<number[]>([]) },
      { weight: 4, arbitrary: fc.array(fc.nat(), { maxLength: 4 }) },
      { weight: 1, arbitrary: fc.nat({ max: 600 }).map(eachByteFrom) },
    ),
  })
  // A refusal ends the connection where the body has not come whole, which is a matter of time in both.
  .map(({ text, cuts }) => ({ text, cuts: /^(?:content.length|transfer.encoding):/im.test(text) ? [] : cuts }));
