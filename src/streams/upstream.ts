/** The servers behind a stream: which of them is connected to, over TLS or not, and what is said where none can be. */
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { Failure } from '../core/failure.ts';
import type { Log } from '../core/log.ts';
import { withDeadline } from '../remote/deadline.ts';
import { networkFailure } from '../remote/network-error.ts';
import { connectTls, type TlsClientOptions } from '../tls/client.ts';
import { PinMismatchError } from '../tls/pins.ts';
import { type ConnectionEnds, proxyHeader } from './proxy-header.ts';
import { reset, type StreamEnd } from './relay.ts';

/** One server. */
interface StreamServer {
  /** As it is shown: `tls://host:port`. */
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  /** What it must show; absent without TLS. */
  readonly tls?: TlsClientOptions;
}

interface StreamUpstreamParts {
  /** At least one. */
  readonly servers: readonly StreamServer[];
  /** Milliseconds for TCP and TLS together, at each server. */
  readonly connectTimeout: number;
  /** The header that tells the server whose connection it is; absent: none. */
  readonly sendProxy?: 'v1' | 'v2' | undefined;
  readonly log: Log;
  readonly clock: Clock;
}

/** How long a server that could not be connected to is asked after the others, in milliseconds. */
const pause = 10_000;

/** The servers of one stream. */
export class StreamUpstream {
  readonly #parts: StreamUpstreamParts;
  readonly #failedAt = new Map<string, number>();
  #turn = 0;

  constructor(parts: StreamUpstreamParts) {
    this.#parts = parts;
  }

  /**
   * A connection to a server, in turn; one that cannot be connected to costs no stream: the next is asked. Rejects with the last
   * one's Failure. Nothing but a PROXY header has been sent.
   */
  async connect(ends: ConnectionEnds, signal: AbortSignal): Promise<StreamEnd> {
    let failure: Failure | undefined;
    for (const server of this.#order()) {
      signal.throwIfAborted();
      try {
        const end = await this.#connectTo(server, ends, signal);
        this.#succeeded(server);
        return end;
      } catch (error) {
        signal.throwIfAborted();
        failure = failureOf(error, server.origin);
        this.#failed(server, failure);
      }
    }
    throw failure;
  }

  /** From the next in turn on; those that have failed lately come last, and none is left out. */
  #order(): readonly StreamServer[] {
    const { servers, clock } = this.#parts;
    const from = this.#turn++ % servers.length;
    const turned = [...servers.slice(from), ...servers.slice(0, from)];
    const isResting = ({ origin }: StreamServer): boolean =>
      clock.now() - (this.#failedAt.get(origin) ?? -pause) < pause;
    return [...turned.filter((server) => !isResting(server)), ...turned.filter(isResting)];
  }

  async #connectTo(server: StreamServer, ends: ConnectionEnds, parent: AbortSignal): Promise<StreamEnd> {
    const { host, port, tls } = server;
    const { connectTimeout, sendProxy } = this.#parts;
    return withDeadline(parent, connectTimeout, async ({ signal }) => {
      const transport = connect({ host, port, allowHalfOpen: true, noDelay: true });
      let socket: Socket = transport;
      try {
        await ready(transport, 'connect', signal);
        if (sendProxy) transport.write(proxyHeader(sendProxy, ends));
        if (!tls) return { socket, transport };
        socket = connectTls(
          { socket: transport, host, ...(isIP(host) === 0 && { servername: tls.servername ?? host }) },
          tls,
        );
        await ready(socket, 'secureConnect', signal);
        return { socket, transport };
      } catch (error) {
        reset({ socket, transport });
        throw error;
      }
    });
  }

  #succeeded({ origin }: StreamServer): void {
    if (this.#failedAt.delete(origin)) this.#parts.log.info({ upstream: origin }, 'an upstream server is back');
  }

  #failed({ origin }: StreamServer, error: unknown): void {
    if (!this.#failedAt.has(origin))
      this.#parts.log.warn({ upstream: origin, error }, 'an upstream server cannot be connected to');
    this.#failedAt.set(origin, this.#parts.clock.now());
  }
}

/** In the words of an upstream: what was wrong with which server. */
function failureOf(error: unknown, origin: string): Failure {
  const { message, hint, reason } =
    networkFailure(error, origin) ?? new Failure('unreachable', `${origin}: ${String(error)}`);
  if (error instanceof PinMismatchError) return new Failure('upstream-pin-mismatch', message, { hint });
  return new Failure(reason === 'timed-out' ? 'upstream-timed-out' : 'upstream-unreachable', message, { hint });
}

async function ready(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  socket.on('error', ignore);
  await once(socket, event, { signal });
}

function ignore(): void {}
