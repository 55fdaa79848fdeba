/** Answers as they stand on the wire, written to a response, a stream of HTTP/2 and a bare socket. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2 } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Answer } from '../../src/core/answer.ts';
import { writeAnswer, writeToSocket, writeToStream } from '../../src/edge/write-answer.ts';

const answers: readonly (readonly [answer: Answer, length: string | undefined])[] = [
  [{ status: 204, headers: { 'x-kind': 'empty' }, body: '' }, undefined],
  [{ status: 200, headers: {}, body: '' }, '0'],
  [{ status: 403, headers: {}, body: 'né' }, '3'],
];

async function portOf(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function wireText(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  return (await Array.fromAsync(socket)).join('');
}

for (const [answer, length] of answers)
  for (const [kind, start] of [
    ['a response', () => createHttp((request, response) => writeAnswer(request, response, answer))],
    ['a bare socket', () => createServer((socket) => socket.once('data', () => writeToSocket(socket, answer)))],
  ] as const)
    test(`an answer of ${answer.status} with ${answer.body.length} characters to ${kind} says its length where it has content`, async (t) => {
      const head = (await wireText(await portOf(t, start()))).split('\r\n\r\n')[0] ?? '';
      assert.match(head, new RegExp(`^HTTP/1\\.1 ${answer.status} `));
      assert.equal(/^content-length: (.*)$/im.exec(head)?.[1], length, head);
    });

for (const [answer, length] of answers)
  test(`an answer of ${answer.status} with ${answer.body.length} characters to a stream of HTTP/2 says its length where it has content`, async (t) => {
    const server = createHttp2().on('stream', (stream) => writeToStream(stream, answer));
    const client = connectHttp2(`http://127.0.0.1:${await portOf(t, server as Server)}`);
    t.after(() => client.close());
    const [headers] = await once(client.request({ ':path': '/' }).resume(), 'response');
    assert.equal(headers[':status'], answer.status);
    assert.equal(headers['content-length'], length);
  });
