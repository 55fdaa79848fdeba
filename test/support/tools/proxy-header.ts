/** PROXY headers of version 2, good and bad. */

/** One with any command, family and body; its length is the body's. */
export function binaryHeader(parts: { version?: number; command?: number; family: number; body?: Buffer }): Buffer {
  const { version = 2, command = 1, family, body = Buffer.alloc(0) } = parts;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
  return Buffer.concat([signature, Buffer.from([(version << 4) | command, family]), length, body]);
}
