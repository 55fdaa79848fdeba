/**
 * Conversations by the name of what is odd in them: what the tests of llhttp (`test/request/*.md`) try on Node's parser, what the
 * HTTP Garden counts as anomalies of servers (`anomalies.yml`), and what was once found to differ here. `{host}` and `{cookie}` as in `grammar.ts`.
 */

const crlf = '\r\n';

/** A request of lines, with a body behind them. */
function request(first: string, lines: readonly string[], body = ''): string {
  return [first, ...lines, '', body].join(crlf);
}

const host = 'Host: {host}';
const cookie = 'Cookie: {cookie}';
const get = 'GET /public?marker=1 HTTP/1.1';
const post = 'POST /public?marker=1 HTTP/1.1';
const smuggled = request('GET /admin?marker=2 HTTP/1.1', [host]);

/** Every one by its name. */
export const anomalies: Readonly<Record<string, string>> = {
  // llhttp: content-length
  'Content-Length with zeroes': request(post, [host, 'Content-Length: 003'], 'abc'),
  'Content-Length overflow': request(post, [host, 'Content-Length: 1000000000000000000000']),
  'duplicate Content-Length': request(post, [host, 'Content-Length: 1', 'Content-Length: 2'], 'ab'),
  'equal Content-Length twice': request(post, [host, 'Content-Length: 3', 'Content-Length: 3'], 'abc'),
  'Content-Length and Transfer-Encoding: identity': request(
    post,
    [host, 'Content-Length: 1', 'Transfer-Encoding: identity'],
    'a',
  ),
  'Content-Length and Transfer-Encoding: chunked': request(
    post,
    [host, 'Content-Length: 4', 'Transfer-Encoding: chunked'],
    `0${crlf}${crlf}`,
  ),
  'funky Content-Length': request(post, [host, 'conTENT-Length: 5'], 'HELLO'),
  'spaces round Content-Length': request(post, [host, 'Content-Length:  3 '], 'abc'),
  'space in Content-Length': request(post, [host, 'Content-Length: 4 2'], 'abcd'),
  'empty Content-Length': request(post, [host, 'Content-Length:']),
  'Content-Length with CR instead of dash': request(post, [host, 'Content\rLength: 3'], 'abc'),
  'Content-Length with a sign': request(post, [host, 'Content-Length: +3'], 'abc'),
  'Content-Length in hexadecimal': request(post, [host, 'Content-Length: 0x3'], 'abc'),
  'Content-Length as a list': request(post, [host, 'Content-Length: 3, 3'], 'abc'),
  Content_Length: request(post, [host, 'Content_Length: 3'], 'abc'),
  'Content-Length with a vertical tab': request(post, [host, 'Content-Length: \x0b3'], 'abc'),
  'Content-Length of a GET': request(get, [host, 'Content-Length: 5'], 'hello'),
  // llhttp: transfer-encoding
  'empty Transfer-Encoding with Content-Length': request(
    post,
    [host, 'Transfer-Encoding:', 'Content-Length: 5'],
    'hello',
  ),
  'Transfer-Encoding: pigeons': request(post, [host, 'Transfer-Encoding: pigeons']),
  'chunked with trailers': request(
    post,
    [host, 'Transfer-Encoding: chunked'],
    `5${crlf}hello${crlf}0${crlf}Vary: *${crlf}${crlf}`,
  ),
  'chunked with an extension': request(
    post,
    [host, 'Transfer-Encoding: chunked'],
    `5;a=b${crlf}hello${crlf}0${crlf}${crlf}`,
  ),
  'chunked with no semicolon before the extension': request(
    post,
    [host, 'Transfer-Encoding: chunked'],
    `2 erfr${crlf}aa${crlf}0${crlf}${crlf}`,
  ),
  'chunked of zeroes': request(post, [host, 'Transfer-Encoding: chunked'], `000${crlf}${crlf}`),
  'chunked and identity': request(post, [host, 'Transfer-Encoding: chunked, identity'], `0${crlf}${crlf}`),
  'chunked twice': request(post, [host, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], `0${crlf}${crlf}`),
  'chunked with a tab before it': request(post, [host, 'Transfer-Encoding:\tchunked'], `0${crlf}${crlf}`),
  'chunked with a space before the colon': request(post, [host, 'Transfer-Encoding : chunked'], `0${crlf}${crlf}`),
  'chunked in a folded line': request(post, [host, 'X-A: b', ' Transfer-Encoding: chunked'], `0${crlf}${crlf}`),
  Transfer_Encoding: request(post, [host, 'Transfer_Encoding: chunked', 'Content-Length: 3'], 'abc'),
  'chunked of HTTP/1.0': request(
    'POST /public?marker=1 HTTP/1.0',
    [host, 'Transfer-Encoding: chunked'],
    `0${crlf}${crlf}`,
  ),
  // llhttp: invalid
  'ICE protocol': request('GET /public?marker=1 ICE/1.0', [host]),
  'IHTTP protocol': request('GET /public?marker=1 IHTTP/1.0', [host]),
  'RTSP protocol': request('PUT /public?marker=1 RTSP/1.0', [host]),
  'ANNOUNCE method': request('ANNOUNCE /public?marker=1 HTTP/1.1', [host]),
  'MKCOLA method': request('MKCOLA /public?marker=1 HTTP/1.1', [host]),
  'QUERY method': request('QUERY /public?marker=1 HTTP/1.1', [host]),
  'headers separated by CR': request(get, [host, 'Foo: 1\rBar: 2']),
  'headers separated by LF': request(
    post,
    [host, 'x:x\nTransfer-Encoding: chunked'],
    `1${crlf}A${crlf}0${crlf}${crlf}`,
  ),
  'headers separated by dummy characters': `${get}${crlf}${host}${crlf}\rZGET /evil: HTTP/1.1${crlf}${host}${crlf}${crlf}`,
  'empty header before CR': request(post, [host, 'x:\rTransfer-Encoding: chunked'], `0${crlf}${crlf}`),
  'empty header before LF': request(post, [host, 'x:\nTransfer-Encoding: chunked'], `0${crlf}${crlf}`),
  'invalid header token': request(get, [host, 'Fo@: Failure']),
  'control sign in a header name': request(get, [host, 'Foo\x01test: Bar']),
  'header without a name': request(get, [host, ': Bar']),
  'folded header name': request(get, [host, 'name', ' : value']),
  'corrupted Connection header': request(get, [host, 'Connection\r\x1b\x41\xd5eep-Alive', 'Accept-Encoding: gzip']),
  'missing CR between headers': request(get, [host, 'Dummy: x\nContent-Length: 23'], 'GET /admin HTTP/1.1'),
  'HTTP/5.6': request('GET /public?marker=1 HTTP/5.6', [host]),
  'space after the start line': `${get}${crlf} ${host}${crlf}${crlf}`,
  'only LFs': `${get}\n${host}\n\n`,
  'only CRs': `${get}\r${host}\r\r`,
  'spaces before headers': request(post, [host, 'Foo: bar', ` Content-Length: ${smuggled.length}`], smuggled),
  'empty lines before the request': `${crlf}${crlf}${request(get, [host])}`,
  'LF before the request': `\n${request(get, [host])}`,
  // llhttp: connection, pipelining, uri
  'Connection in capitals': request(get, [host, 'CONNECTION: KEEP-ALIVE']),
  'Connection twice': request(get, [host, 'Connection: keep-alive', 'Connection: close']),
  'Connection names a header': request(get, [host, 'X-Remote-User: admin', 'Connection: keep-alive, X-Remote-User']),
  'Connection: upgrade without Upgrade': request(get, [host, 'Connection: upgrade']),
  'Upgrade without Connection': request(get, [host, 'Upgrade: websocket']),
  'Upgrade to h2c': request(get, [
    host,
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
  ]),
  'three in one packet': request(get, [host]).repeat(2) + request(get, [host, cookie]),
  'Upgrade to h2c with a body': request(
    post,
    [host, 'Upgrade: h2c', 'Connection: upgrade', 'Content-Length: 3'],
    'hey',
  ),
  'Upgrade to h2c with chunks': request(
    post,
    [host, 'Connection: upgrade', 'Upgrade: h2c', 'Transfer-Encoding: chunked'],
    `5${crlf}hello${crlf}0${crlf}${crlf}`,
  ),
  'quotes in the URI': request('GET /public/with_"lovely"_quotes?marker=1 HTTP/1.1', [host]),
  'host and port in the URI': request('GET http://{host}/public?marker=1 HTTP/1.1', [host]),
  'underscore in the URI host': request('GET http://a_b.example/public?marker=1 HTTP/1.1', [host]),
  'fragment in the URI': request('GET /public?marker=1#hash HTTP/1.1', [host]),
  'bytes above 127 in the URI': request('GET /public/\xe9\xff?marker=1 HTTP/1.1', [host]),
  'NUL in the URI': request('GET /public/\0?marker=1 HTTP/1.1', [host]),
  'disallowed space in the URI': request('GET /public a?marker=1 HTTP/1.1', [host]),
  'tab behind the method': request('GET\t/public?marker=1 HTTP/1.1', [host]),
  'two spaces behind the method': request('GET  /public?marker=1 HTTP/1.1', [host]),
  // HTTP Garden: anomalies
  'allows-http-0-9': 'GET /public?marker=1\r\n\r\n',
  'allows-missing-host-header': request(get, ['Accept: */*']),
  'requires-specific-host-header': request(get, ['Host: other.example']),
  'two hosts': request(get, [host, 'Host: other.example']),
  'a host of two names': request(get, ['Host: {host}, other.example']),
  'method-character-blacklist': request('M-SEARCH /public?marker=1 HTTP/1.1', [host]),
  'requires-alphabetical-method': request('GE+T /public?marker=1 HTTP/1.1', [host]),
  'method in lower case': request('get /public?marker=1 HTTP/1.1', [host]),
  'header-name-translation': request(get, [host, 'X_Remote_User: admin', 'X.Remote.User: admin']),
  'removed-headers': request(get, [
    host,
    'Max-Forwards: 1',
    'X-Forwarded-Host: evil.example',
    'Forwarded: for=1.2.3.4',
  ]),
  'trashed-headers': request(get, [host, 'Client-IP: 1.2.3.4', 'Via: 1.1 x', 'CDN-Loop: x']),
  'requires-length-in-post': request(post, [host]),
  'doesnt-support-persistence': request(get, [host, 'Proxy-Connection: close']),
  'doesnt-support-version': request('GET /public?marker=1 HTTP/1.2', [host]),
  'HTTP/1.0 that stays': request('GET /public?marker=1 HTTP/1.0', [host, 'Connection: keep-alive']),
  'HTTP/2 preface': `PRI * HTTP/2.0${crlf}${crlf}SM${crlf}${crlf}`,
  'Expect: 100-continue without a body': request(get, [host, 'Expect: 100-continue']),
  'Expect of something else': request(post, [host, 'Expect: x', 'Content-Length: 3'], 'abc'),
  'a header name of 300 bytes': request(get, [host, `X-${'n'.repeat(300)}: 1`]),
  'a header of 20,000 bytes': request(get, [host, `X-Long: ${'v'.repeat(20_000)}`]),
  'a hundred headers': request(get, [host, ...Array.from({ length: 100 }, (_, index) => `X-H${index}: ${index}`)]),
  'a value with bytes above 127': request(get, [host, cookie, 'X-Name: J\xfcrgen \xe2\x82\xac']),
  'a value with DEL': request(get, [host, 'X-Name: a\x7fb']),
  'a value with NUL': request(get, [host, 'X-Name: a\0b']),
  // Found here
  'a request line that ends in CR alone, for ever': `PUT /_gate/jwks.json?marker=1 HTTP/1.1\r${host}\r\r`,
  'half a request line that is none': 'PROPFIND/public?marker=1',
};
