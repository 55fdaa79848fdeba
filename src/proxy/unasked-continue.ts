/**
 * An upstream may send `100 Continue` unasked (RFC 9110 §15.2.1: whoever does not expect one drops it), as IIS and old Java
 * servers do with a POST. Undici ends the connection for it, so it is taken out of what the socket gives.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** Longest head of such an answer, in bytes; what goes on for longer is left to the parser. */
const maxHead = 8192;
/** What begins like it may be one: `HTTP/1.x 100`, and the sign behind that. */
const beginning = /^HTTP\/1\.[01] 100[ \r]/;
const beginningLength = 13;

/** Told that an answer is awaited next. */
const awaiting = new WeakMap<object, () => void>();

// Undici says on this channel that a request's head goes out on a socket, before anything can answer it.
subscribe('undici:client:sendHeaders', (message) => {
  const { socket } = message as { socket?: object };
  if (socket) awaiting.get(socket)?.();
});

/** The same socket, whose reader sees no `100 Continue` in front of an answer. */
export function withoutContinue(socket: Socket): Socket {
  const read = socket.read.bind(socket);
  let isAwaited = false;
  let held: Buffer = Buffer.alloc(0);
  awaiting.set(socket, () => {
    isAwaited = true;
  });
  socket.read = (size?: number): Buffer | null => {
    const chunk: Buffer | null = read(size);
    if (!isAwaited || chunk === null) return chunk;
    const rest = afterContinue(held.length === 0 ? chunk : Buffer.concat([held, chunk]));
    held = rest.isDecided ? Buffer.alloc(0) : rest.bytes;
    if (!rest.isDecided) return null;
    isAwaited = false;
    return rest.bytes;
  };
  return socket;
}

/** What stands behind every `100 Continue`, and whether enough has come to tell. */
function afterContinue(bytes: Buffer): { readonly bytes: Buffer; readonly isDecided: boolean } {
  const start = bytes.toString('latin1', 0, beginningLength);
  if (start.length < beginningLength) return { bytes, isDecided: !'HTTP/1.1 100 '.startsWith(start) };
  if (!beginning.test(start)) return { bytes, isDecided: true };
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return { bytes, isDecided: bytes.length > maxHead };
  return afterContinue(bytes.subarray(end + 4));
}
