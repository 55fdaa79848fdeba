/** A visitor behind a balancer: each of its connections begins with a PROXY header. */
import { connect as connectTcp, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Agent } from 'undici';
import { Visitor } from './visitor.ts';

/** Makes one; over https with the CA to trust, and the protocol. */
export function balancedVisitor(
  t: TestContext,
  url: URL,
  header: string | Buffer,
  tls?: { readonly ca: string; readonly protocol: 'h1' | 'h2' },
): Visitor {
  const allowH2 = tls?.protocol === 'h2';
  const agent = new Agent({
    allowH2,
    connect: (_options, done) => {
      const bare = connectTcp(Number(url.port), '127.0.0.1');
      // In one packet with what follows.
      bare.cork();
      bare.write(header);
      const ALPNProtocols = allowH2 ? ['h2'] : ['http/1.1'];
      const socket: Socket = tls
        ? connectTls({ socket: bare, ca: tls.ca, servername: 'localhost', ALPNProtocols })
        : bare;
      process.nextTick(() => bare.uncork());
      socket.once('error', (error) => done(error, null));
      socket.once(tls ? 'secureConnect' : 'connect', () => done(null, socket as never));
    },
  });
  t.after(() => agent.destroy());
  return new Visitor(url, agent);
}
