/** Writes keytabs byte by byte, also such as no KDC would write. */

/** A key to write. */
export interface KeytabKey {
  /** Such as `HTTP/localhost@EXAMPLE.TEST`. */
  readonly principal: string;
  readonly key: Buffer;
  readonly enctype?: number;
  readonly kvno?: number;
  /** Seconds since the epoch. */
  readonly writtenAt?: number;
  /** Without the four bytes of a kvno above 255, as old programs write it. */
  readonly short?: boolean;
}

/** A whole file; a number stands for a hole of so many bytes. */
export function keytabBytes(items: readonly (KeytabKey | number)[]): Buffer {
  return Buffer.concat([
    Buffer.from([5, 2]),
    ...items.map((item) => (typeof item === 'number' ? hole(item) : entry(item))),
  ]);
}

function hole(size: number): Buffer {
  const bytes = Buffer.alloc(4 + size, 0xaa);
  bytes.writeInt32BE(-size);
  return bytes;
}

function entry({ principal, key, enctype = 18, kvno = 1, writtenAt = 0, short = false }: KeytabKey): Buffer {
  const [, name = '', realm = ''] = /^(.*)@([^@]*)$/.exec(principal) ?? [];
  const components = name.split('/');
  const body = Buffer.concat([
    uint16(components.length),
    counted(realm),
    ...components.map(counted),
    uint32(1),
    uint32(writtenAt),
    Buffer.from([kvno & 0xff]),
    uint16(enctype),
    counted(key),
    ...(short ? [] : [uint32(kvno)]),
  ]);
  return Buffer.concat([uint32(body.length), body]);
}

function counted(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
