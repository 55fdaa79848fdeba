/** What an application has under way on its own connections: when it is over, and how a WebSocket of its is ended. */
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Reason } from '../core/reason.ts';
import { closeFrame } from '../proxy/websocket/frames.ts';

const closePatience = 1000;
const policyViolation = 1008;

/** Counts answers and sockets until they have ended. */
export class OpenExchanges {
  #open = 0;
  readonly #waiting: (() => void)[] = [];

  /** Resolves when the answer is out, or the client has gone; counted as open until then. */
  end(stream: ServerResponse | Duplex): Promise<void> {
    // One whose client has gone before anybody looked says nothing more.
    if (stream.closed || stream.destroyed) return Promise.resolve();
    this.#open += 1;
    const ended = new Promise<void>((resolve) => stream.once('close', resolve));
    void ended.then(() => {
      this.#open -= 1;
      if (this.#open === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    });
    return ended;
  }

  /** Resolves when nothing is open. */
  idle(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }
}

/** A WebSocket of the application's: how much has gone over it, and the way to end it. */
interface OpenWebSocket {
  /** Ends it with a Close frame, which may stand between any two writes of a frame, then with the cut. */
  end(reason: Reason): void;
  /** What became of it, once its socket is closed. */
  result(): { readonly up: number; readonly down: number; readonly reason?: Reason };
}

/** Watches a socket that becomes a WebSocket; one to which nothing has been written is cut at once. */
export function watchWebSocket(socket: Duplex): OpenWebSocket {
  const count = (name: 'bytesRead' | 'bytesWritten'): number =>
    name in socket ? Number(Reflect.get(socket, name)) : 0;
  const before = { up: count('bytesRead'), down: count('bytesWritten') };
  let ended: Reason | undefined;
  return {
    end: (reason) => {
      ended = reason;
      if (count('bytesWritten') === before.down) return void socket.destroy();
      socket.end(closeFrame(policyViolation, 'the session has ended'));
      setTimeout(() => socket.destroy(), closePatience).unref();
    },
    result: () => ({
      up: count('bytesRead') - before.up,
      down: count('bytesWritten') - before.down,
      ...(ended && { reason: ended }),
    }),
  };
}
