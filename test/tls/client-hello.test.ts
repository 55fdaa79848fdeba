/** The ClientHello: the host that a client comes for, however the hello is cut up, and nothing else taken for one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { before, test } from 'node:test';
import { connect } from 'node:tls';
import { maxHelloBytes, readClientHello } from '../../src/tls/client-hello.ts';

/** The hello that Node's own client sends. */
async function helloFor(servername: string | undefined): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', ...(servername && { servername }), rejectUnauthorized: false });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  client.destroy();
  server.close();
  return bytes;
}

/** The same message in records of a few bytes each. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

let hello: Buffer;
before(async () => {
  hello = await helloFor('QMS01.Corp.Example.com.');
});
const named = { kind: 'complete', servername: 'qms01.corp.example.com' } as const;

test('client hello: the name is read, in lower case and without its dot; none is none', async () => {
  assert.deepEqual(readClientHello(hello), named);
  assert.deepEqual(readClientHello(await helloFor(undefined)), { kind: 'complete', servername: undefined });
});

test('client hello: a byte at a time, each part wants more, and never more than there is', () => {
  for (let length = 0; length < hello.length; length += 1) {
    const read = readClientHello(hello.subarray(0, length));
    assert.equal(read.kind, 'incomplete', `${length} bytes`);
    assert.ok(read.kind === 'incomplete' && read.needs > length && read.needs <= hello.length, `${length} bytes`);
  }
});

test('client hello: in many records it is the same, whole and a byte at a time', () => {
  for (const size of [7, 64, 200]) {
    const bytes = inRecords(hello, size);
    if (bytes.length > hello.length + 64 * 5) continue;
    assert.deepEqual(readClientHello(bytes), named);
    for (let length = 0; length < bytes.length; length += 1) {
      const read = readClientHello(bytes.subarray(0, length));
      if (read.kind === 'complete') assert.deepEqual([read, length > bytes.length - 5], [named, true]);
      else assert.ok(read.kind === 'incomplete' && read.needs > length && read.needs <= bytes.length, `${length}`);
    }
  }
});

const withName = (name: string): Buffer => Buffer.from(hello.toString('latin1').replace('QMS01', name), 'latin1');
const strangers: Readonly<Record<string, [() => Buffer, RegExp]>> = {
  'plain HTTP': [() => Buffer.from('GET / HTTP/1.1\r\n'), /plain HTTP/],
  'the first byte of something else': [() => Buffer.from([0x80]), /does not begin with a TLS record/],
  'another message of TLS': [() => Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]), /does not begin with a ClientHello/],
  'a record that is longer than TLS has': [
    () => Buffer.from([22, 3, 1, 0xff, 0xff, 1]),
    /a length that TLS does not have/,
  ],
  'an empty record': [() => Buffer.from([22, 3, 1, 0, 0]), /a length that TLS does not have/],
  'a hello of 64 KiB': [() => Buffer.from([22, 3, 1, 0x40, 0, 1, 1, 0, 0]), /longer than 16384 bytes/],
  'a byte a record': [() => inRecords(hello, 1), /more than 64 records/],
  'an alert in its midst': [
    () => Buffer.concat([inRecords(hello, 200).subarray(0, 205), Buffer.from([21, 3, 3, 0, 2, 1, 0])]),
    /another message/,
  ],
  'fields that go beyond the end': [
    () => {
      const bytes = Buffer.from(hello);
      bytes[5 + 4 + 34] = 255;
      return bytes;
    },
    /do not fit/,
  ],
};
for (const [name, [bytes, detail]] of Object.entries(strangers))
  test(`client hello: ${name} is refused as soon as it shows`, () => {
    const read = readClientHello(bytes());
    assert.equal(read.kind, 'refused');
    assert.match(read.kind === 'refused' ? read.detail : '', detail);
  });

test('client hello: whatever stands in it, reading ends, and asks for no more than the bound', () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed % below;
  };
  assert.deepEqual(readClientHello(withName('QMS02')), { kind: 'complete', servername: 'qms02.corp.example.com' });
  for (let trial = 0; trial < 3000; trial += 1) {
    const bytes = Buffer.from(hello.subarray(0, 1 + random(hello.length)));
    for (let change = random(4); change >= 0; change -= 1) bytes[random(bytes.length)] = random(256);
    const read = readClientHello(bytes);
    if (read.kind === 'incomplete') assert.ok(read.needs > bytes.length && read.needs <= maxHelloBytes);
  }
});
