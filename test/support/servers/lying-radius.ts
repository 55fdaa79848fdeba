/** A RADIUS server that answers as wrongly as a test wants: to other requests, without its digest, from another port, not at all. */
import { createHmac, hash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

/** A request as it came. */
export interface SeenRequest {
  readonly bytes: Buffer;
  readonly port: number;
}

/** What is sent for a request: datagrams, each from the server's own port or from another one. */
export type Lie = (request: SeenRequest) => readonly (Buffer | { readonly fromElsewhere: Buffer })[];

/** A running server. */
export interface LyingRadius {
  readonly address: string;
  readonly seen: SeenRequest[];
}

/** The parts of an answer that a lie may bend. */
export interface AnswerParts {
  readonly code?: number;
  readonly id?: number;
  readonly secret?: string;
  /** Digests over the packet, one attribute each; `wrong` is one that does not fit. */
  readonly marks?: readonly ('right' | 'wrong')[];
  readonly attributes?: readonly (readonly [type: number, value: string | Buffer])[];
  /** What the last attribute says of its length. */
  readonly lastLength?: number;
  /** Bends the Response-Authenticator, after everything else was made right. */
  readonly authenticator?: Buffer;
}

/** The secret that a lying server shares with the gateway. */
export const lyingSecret = 'shared-with-a-liar-7c20';

/** Listens; ends with the test. */
export async function lyingRadius(t: TestContext, lie: Lie): Promise<LyingRadius> {
  const seen: SeenRequest[] = [];
  const [socket, elsewhere] = [await bound(t), await bound(t)];
  socket.on('message', (bytes, { port }) => {
    const request = { bytes, port };
    seen.push(request);
    for (const answer of lie(request)) {
      if ('fromElsewhere' in answer) elsewhere.send(answer.fromElsewhere, port, '127.0.0.1');
      else socket.send(answer, port, '127.0.0.1');
    }
  });
  return { address: `127.0.0.1:${socket.address().port}`, seen };
}

/** An answer made by the rules, but for what is asked to be wrong. */
export function answerTo(request: SeenRequest, parts: AnswerParts = {}): Buffer {
  const { code = 2, id = request.bytes[1] ?? 0, secret = lyingSecret, marks = ['right'], attributes = [] } = parts;
  const written = attributes.map(([type, value]) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([type, bytes.length + 2]), bytes]);
  });
  if (parts.lastLength !== undefined) written.at(-1)?.writeUInt8(parts.lastLength, 1);
  const blanks = marks.map(() => Buffer.concat([Buffer.from([80, 18]), Buffer.alloc(16)]));
  const body = Buffer.concat([...blanks, ...written]);
  const packet = Buffer.concat([Buffer.from([code, id, 0, 0]), request.bytes.subarray(4, 20), body]);
  packet.writeUInt16BE(packet.length, 2);
  const digest = createHmac('md5', secret).update(packet).digest();
  for (const [index, mark] of marks.entries())
    (mark === 'right' ? digest : Buffer.alloc(16, 7)).copy(packet, 22 + 18 * index);
  const authenticator = parts.authenticator ?? hash('md5', Buffer.concat([packet, Buffer.from(secret)]), 'buffer');
  authenticator.copy(packet, 4);
  return packet;
}

async function bound(t: TestContext): Promise<Socket> {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}
