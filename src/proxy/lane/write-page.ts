/**
 * Where what goes to a socket at once is put together: one page for all, since the system takes nearly everything while it is
 * written. A page that was not taken whole belongs to its socket from then on.
 */
import type { Socket } from 'node:net';

const pageBytes = 131_072;

let page = Buffer.allocUnsafeSlow(pageBytes);

/** Room for so many bytes, to be filled and written at once. */
export function pageFor(length: number, socket: Socket): Buffer {
  // What is encrypted is not known to have been taken when the write is over.
  return length > pageBytes || 'encrypted' in socket ? Buffer.allocUnsafe(length) : page;
}

/** Writes the first bytes of a page by a function that writes to the socket; false where the other side is full. */
export function writePage(
  bytes: Buffer,
  length: number,
  socket: Socket,
  to: { write(bytes: Buffer): boolean } = socket,
): boolean {
  const isTaken = to.write(bytes.subarray(0, length));
  if (bytes === page && socket.writableLength > 0) page = Buffer.allocUnsafeSlow(pageBytes);
  return isTaken;
}
