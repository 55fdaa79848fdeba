/** A handshake that is held in its midst, for what happens meanwhile. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** Passes a connection on, and holds all that its client says after the hello until it is let go. */
export async function holdingBack(t: TestContext, port: number) {
  let [isHeld, letGo] = [false, (): void => undefined];
  const server = createServer({ allowHalfOpen: true }, (client: Socket) => {
    const onward = connect({ port, host: '127.0.0.1' });
    for (const socket of [client, onward]) socket.on('error', () => undefined);
    onward.pipe(client);
    onward.once('close', () => client.destroy());
    client.once('data', (hello: Buffer) => {
      onward.write(hello);
      client.once('data', (rest: Buffer) => {
        client.pause();
        isHeld = true;
        letGo = () => {
          onward.write(rest);
          client.pipe(onward);
        };
      });
    });
    t.after(() => onward.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, isHeld: () => isHeld, letGo: () => letGo() };
}
