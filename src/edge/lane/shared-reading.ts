/**
 * Reads the connections that a listener has taken into one page, in the place of a buffer for each time that something comes. What
 * `net.connect` offers as `onread` Node has no option for here: where this version keeps it otherwise, connections are read as ever.
 */
import type { Socket } from 'node:net';

const page = Buffer.allocUnsafeSlow(65_536);

/** Gets what has come. The bytes are there for as long as the call takes. */
type Take = (bytes: Buffer) => void;

/** A connection that is read so. */
export interface SharedReading {
  /** From here on the socket gives what comes as any other. */
  release(): void;
}

interface Parts {
  readonly _handle?: { useUserBuffer?(buffer: Buffer): void } | null;
  [part: symbol]: unknown;
}

const names = ['kBuffer', 'kBufferCb', 'kBufferGen'] as const;
let known: Readonly<Record<(typeof names)[number], symbol>> | undefined;

/** The places in a socket where Node keeps what `onread` says; undefined where there are none. */
function placesIn(socket: Parts): typeof known {
  if (known) return known;
  const symbols = new Map(Object.getOwnPropertySymbols(socket).map((symbol) => [symbol.description, symbol]));
  const [kBuffer, kBufferCb, kBufferGen] = names.map((name) => symbols.get(name));
  if (!kBuffer || !kBufferCb || !kBufferGen) return undefined;
  if (socket[kBuffer] !== null || socket[kBufferCb] !== null || socket[kBufferGen] !== null) return undefined;
  known = { kBuffer, kBufferCb, kBufferGen };
  return known;
}

/** Reads a plain connection into the page; undefined where that cannot be had. */
export function readShared(socket: Socket, take: Take): SharedReading | undefined {
  const parts = socket as unknown as Parts;
  const handle = parts._handle;
  const places = placesIn(parts);
  if (!places || typeof handle?.useUserBuffer !== 'function') return undefined;
  let isOurs = true;
  handle.useUserBuffer(page);
  parts[places.kBuffer] = page;
  parts[places.kBufferCb] = (count: number): boolean => {
    const bytes = page.subarray(0, count);
    // A stream keeps what it is given.
    if (!isOurs) return socket.push(Buffer.from(bytes));
    take(bytes);
    return true;
  };
  return {
    release: () => {
      isOurs = false;
    },
  };
}
