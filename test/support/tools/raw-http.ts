/** HTTP byte by byte, for requests that no client library would send. */
import { connect } from 'node:net';

/** An answer's status and text; status 0 when the connection was closed without one. */
export interface RawAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * Sends bytes and reads until the other side closes, until `silence` milliseconds have passed since the last that came, or
 * until `most` have passed since all was sent.
 */
export function sendRaw(url: URL, bytes: string | Buffer, { silence = 300, most = 60_000 } = {}): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(url.port), url.hostname);
    let end: NodeJS.Timeout | undefined;
    let quiet: NodeJS.Timeout | undefined;
    const settle = (): void => {
      clearTimeout(end);
      clearTimeout(quiet);
      socket.destroy();
      const text = Buffer.concat(chunks).toString('latin1');
      resolve({ status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0), text });
    };
    /** What lies ready is read before silence is believed: this process may have stood still itself. */
    const listen = (): void => {
      const heard = chunks.length;
      setImmediate(() => chunks.length === heard && settle());
    };
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      clearTimeout(quiet);
      quiet = setTimeout(listen, silence);
    });
    socket.on('error', settle).on('close', settle);
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, (error) => {
      if (!error) end = setTimeout(settle, most);
    });
  });
}

/** A request of so many lines; the lines come as they are. */
export function requestOf(lines: readonly string[], body = ''): string {
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
