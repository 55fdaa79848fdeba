/** The end of a connection that no HTTP server looks after any more: after CONNECT, an upgrade, an answer to one. */
import type { Duplex } from 'node:stream';

/** How long the other side may take to hang up as well, in milliseconds. */
const lastBytesGrace = 2000;

/**
 * Writes the last words, if any, and ends the socket. What still comes is taken in and dropped: unread bytes would turn the
 * end into a reset, which may overtake the words.
 *
 * A client that keeps its half open is cut after `grace` milliseconds, or each such connection would stay for ever. Errors
 * are taken in too: Node has removed its own listener, and one without any ends the process.
 */
export function closeSocket(socket: Duplex, lastBytes?: string, grace = lastBytesGrace): void {
  const timer = setTimeout(() => socket.destroy(), grace);
  socket.on('error', () => socket.destroy()).once('close', () => clearTimeout(timer));
  if (socket.writable) socket.end(lastBytes);
  socket.resume();
}
