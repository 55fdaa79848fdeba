/** Reads the TLS hello off a connection, and leaves it there for whoever shakes hands. */
import type { Socket } from 'node:net';
import { type ClientHello, readClientHello } from '../tls/client-hello.ts';

/** What came of it. `gone`: the connection ended before it had said anything. */
type HelloRead = Exclude<ClientHello, { readonly kind: 'incomplete' }> | { readonly kind: 'gone' };

/** Waits for the hello, `timeout` milliseconds at most. What it does not understand stays unread on the socket, too. */
export function readHello(socket: Socket, timeout: number): Promise<HelloRead> {
  return new Promise((resolve) => {
    let chunks: Buffer[] = [];
    let [length, needs] = [0, 0];
    const finish = (read: HelloRead): void => {
      clearTimeout(deadline);
      socket.off('readable', take).off('end', end).off('close', end);
      if (length > 0 && !socket.destroyed) socket.unshift(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
      resolve(read);
    };
    const take = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      chunks.push(chunk);
      length += chunk.length;
      // A byte at a time must not cost a reading each.
      if (length < needs) return;
      const bytes = Buffer.concat(chunks);
      chunks = [bytes];
      const hello = readClientHello(bytes);
      if (hello.kind === 'incomplete') needs = hello.needs;
      else finish(hello);
    };
    const end = (): void => finish(length === 0 ? { kind: 'gone' } : { kind: 'refused', detail: 'it is cut off' });
    const deadline = setTimeout(() => finish({ kind: 'refused', detail: 'it did not come in time' }), timeout);
    // For good: an error may come before whoever goes on has begun to listen.
    socket.on('readable', take).once('end', end).once('close', end).on('error', ignore);
  });
}

function ignore(): void {}
