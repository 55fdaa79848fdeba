/** Answers and requests are carried, not understood: compared byte by byte with what a raw upstream and a raw client received. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { rawClient, startDataPlane, testRoute } from '../support/scenes/data-plane.ts';
import { startRawUpstream } from '../support/servers/upstream.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** A data plane before an upstream that answers with these bytes, and what a client gets for a request of these lines. */
async function exchange(t: Parameters<typeof startRawUpstream>[0], answer: Buffer, lines: readonly string[] = []) {
  const upstream = await startRawUpstream(t, (socket: Socket) => socket.write(answer));
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const head = ['GET /x HTTP/1.1', 'Host: cc.example.com', 'Connection: close', ...lines];
  const client = await rawClient(t, plane.port, bytes(`${head.join('\r\n')}\r\n\r\n`));
  const text = await client.until(/\r\n\r\n/);
  return { text, request: upstream.requests[0] ?? '', plane };
}

test('carried: a file name in raw UTF-8 behind a length arrives as it came (8 T2)', async (t) => {
  const name = Buffer.from('Content-Disposition: attachment; filename="€ été.wav"', 'utf8');
  const answer = Buffer.concat([
    bytes('HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n'),
    name,
    bytes('\r\nX-Odd: \x80\xff\r\n\r\nok'),
  ]);
  const { text } = await exchange(t, answer);
  assert.match(text, /^HTTP\/1\.1 200 Fine\r\n/);
  assert.ok(text.includes(name.toString('latin1')), text);
  assert.ok(text.includes('X-Odd: \x80\xff\r\n'), text);
  assert.match(text, /\r\nContent-Length: 2\r\n/);
});

test('carried: bytes above 127 reach the upstream as they came (8 T2)', async (t) => {
  const value = Buffer.from('Zoë €', 'utf8').toString('latin1');
  const { request } = await exchange(t, bytes('HTTP/1.1 204 No Content\r\n\r\n'), [`X-Name: ${value}`]);
  assert.ok(request.includes(`X-Name: ${value}\r\n`), request);
});

test('carried: names keep the spelling they came with, both ways (8 T4)', async (t) => {
  const answer = 'HTTP/1.1 200 OK\r\nX-My-Header: 1\r\nETAG: "x"\r\nx-lower: 2\r\nContent-length: 0\r\n\r\n';
  const { text, request } = await exchange(t, bytes(answer), ['SOAPAction: "a"', 'X-My-Header: 1', 'accept: */*']);
  for (const line of ['X-My-Header: 1', 'ETAG: "x"', 'x-lower: 2', 'Content-length: 0'])
    assert.ok(text.includes(`\r\n${line}\r\n`), `${line} in ${text}`);
  for (const line of ['SOAPAction: "a"', 'X-My-Header: 1', 'accept: */*'])
    assert.ok(request.includes(`\r\n${line}\r\n`), `${line} in ${request}`);
});

test('carried: a client cannot choose how a name of ours is spelt', async (t) => {
  const { request } = await exchange(t, bytes('HTTP/1.1 204 No Content\r\n\r\n'), ['X-REMOTE-USER: evil']);
  assert.doesNotMatch(request, /X-REMOTE-USER/);
  assert.match(request, /\r\nx-remote-user: alice\r\n/);
});

const told =
  'an application asks for Negotiate or NTLM, which no browser can answer through a proxy: its challenge is taken out';

test('carried: challenges that nobody can answer are taken out, and told once (8 T3)', async (t) => {
  const answer = [
    'HTTP/1.1 401 Unauthorized',
    'WWW-Authenticate: Negotiate',
    'WWW-Authenticate: NTLM',
    'WWW-Authenticate: Basic realm="a, NTLM", ntlm TlRM, Digest realm="b"',
    'Content-Length: 0',
  ];
  const { text, plane } = await exchange(t, bytes(`${answer.join('\r\n')}\r\n\r\n`));
  assert.deepEqual(text.match(/^www-authenticate: .*$/gim), [
    'WWW-Authenticate: Basic realm="a, NTLM", Digest realm="b"',
  ]);
  assert.equal(plane.log.find(told).length, 1);
});

test('carried: a login of an application that knows its folder keeps its cookie and its redirect (8 T1)', async (t) => {
  const upstream = await startRawUpstream(t, (socket: Socket) =>
    socket.write(
      'HTTP/1.1 302 Found\r\nSet-Cookie: s=1; Path=/grafana\r\nLocation: http://cc.example.com/grafana/\r\nContent-Length: 0\r\n\r\n',
    ),
  );
  const plane = await startDataPlane(t, {
    route: testRoute([upstream.origin], { path: '/grafana/', upstreamPath: '/' }),
  });
  const client = await rawClient(
    t,
    plane.port,
    'GET /grafana/login HTTP/1.1\r\nHost: cc.example.com\r\nConnection: close\r\n\r\n',
  );
  const text = await client.until(/\r\n\r\n$/);
  assert.match(upstream.requests[0] ?? '', /^GET \/login HTTP/);
  assert.match(text, /\r\nSet-Cookie: s=1; Path=\/grafana\r\n/);
  assert.match(text, /\r\nLocation: \/grafana\/\r\n/);
});

const onward = 'HTTP/1.1 100 Continue\r\n\r\n';
const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const continuations: Readonly<Record<string, readonly string[]>> = {
  'before the answer': [onward + answer],
  'by itself': [onward, answer],
  'in parts': [
    'HTTP/1',
    '.1 100 Con',
    'tinue\r\nX-Odd: 1\r\n\r',
    '\nHTTP/1.1',
    ' 200 OK\r\nContent-Length: 2\r\n\r\nok',
  ],
  twice: [onward, onward + answer],
};
for (const [name, parts] of Object.entries(continuations))
  test(`carried: an unasked 100 Continue ${name} is no 502 (8 S12)`, async (t) => {
    const upstream = await startRawUpstream(t, async (socket: Socket) => {
      socket.setNoDelay(true);
      for (const part of parts) {
        socket.write(part);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
    const post = 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi';
    const client = await rawClient(t, plane.port, post);
    await client.until(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*\r\nok$/);
    assert.doesNotMatch(client.text(), /100 Continue/);
    // The connection is as good as before: the next answer is the next request's.
    client.socket.write(post);
    await client.until(/ok[\s\S]*HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*\r\nok$/);
    assert.equal(upstream.requests.length, 2);
  });

test('carried: a body that looks like a 100 Continue stays whole', async (t) => {
  const body = `${onward}x`;
  const upstream = await startRawUpstream(t, (socket: Socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
    setTimeout(() => socket.write(body), 20);
  });
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(t, plane.port, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n');
  const text = await client.until(/\r\n\r\nx$/);
  assert.ok(text.endsWith(`\r\n\r\n${body}`));
});
