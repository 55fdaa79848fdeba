/**
 * The head of a request as the lane reads it: one narrow grammar, in which no two parsers differ. What does not fit is not
 * wrong; it is left, untouched, to Node's own parser.
 */
import { HeaderLines } from '../../core/request-head.ts';

/** A request whose end is known from its head. */
export interface LaneHead extends Lines {
  readonly method: string;
  /** The target of the request line, beginning with a slash. */
  readonly target: string;
  /** Bytes of the head, with its empty line. */
  readonly length: number;
}

/** A head; that its end has not come yet; or that it is not the lane's to read. */
type HeadReading = LaneHead | 'incomplete' | 'foreign';

/** What the header lines say. */
interface Lines {
  readonly headers: HeaderLines;
  /** Bytes of the body, which follow the head. */
  readonly bodyLength: number;
  /** False: the client wants no further request on the connection. */
  readonly keepsAlive: boolean;
  /** The bytes that they were read from. */
  readonly block: string;
}

/** Longest head that the lane takes, in bytes. A Kerberos ticket may be longer; it comes once. */
const maxHead = 16_384;
/** Longest block of lines that is kept, in bytes. */
const maxKept = 4096;
/** Bytes of kept blocks: twice as many at most, in two generations. */
const maxGeneration = 8 * 1024 * 1024;

/** Methods that Node's parser knows as well, and that ask for no tunnel; a target without a fragment. */
const requestLine = /^(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) (\/[\x21\x22\x24-\x7e]*) HTTP\/1\.1$/;
/** Blanks that parsers differ in: before a colon, more than one behind it, at the end of a line, at its beginning. */
const oddBlanks = /[\t ]:|:(?:\t| [\t ])|[\t ]\r|\n[\t ]/;
/** What changes how a connection or a body is read, or is spelt as if it did: rare enough to leave. */
const foreignNames: readonly string[] = [
  ...['transfer-encoding', 'upgrade', 'expect', 'trailer', 'te', 'http2-settings', 'proxy-connection', 'keep-alive'],
  ...['content_length', 'transfer_encoding'],
];

/** Reads heads; those of sessions are kept by their bytes, since a browser that polls sends the same lines again and again. */
export class HeadReader {
  readonly #maxHead: number;
  #young = new Map<string, Lines>();
  #old: ReadonlyMap<string, Lines> = new Map();
  #youngBytes = 0;

  /** `limit` is the listener's own for a head, in bytes. */
  constructor(limit: number) {
    this.#maxHead = Math.min(limit, maxHead);
  }

  /** Reads the head at the beginning of what has come. */
  read(bytes: Buffer): HeadReading {
    const end = bytes.indexOf('\r\n\r\n');
    if (end === -1) return bytes.length > this.#maxHead || hasBareBreak(bytes) ? 'foreign' : 'incomplete';
    if (end + 4 > this.#maxHead) return 'foreign';
    const first = bytes.indexOf('\r\n');
    const [, method, target] = requestLine.exec(bytes.toString('latin1', 0, first)) ?? [];
    if (method === undefined || target === undefined || first === end) return 'foreign';
    const block = bytes.toString('latin1', first + 2, end + 2);
    const lines =
      this.#young.get(block) ?? this.#old.get(block) ?? readLines(bytes.subarray(first + 2, end + 2), block);
    if (!lines) return 'foreign';
    const { headers, bodyLength, keepsAlive } = lines;
    return { method, target, headers, bodyLength, keepsAlive, block, length: end + 4 };
  }

  /**
   * Keeps the reading of a head that a live session has vouched for: a flood of strangers' heads changes nothing. A reading
   * is a function of the bytes alone.
   */
  keep({ headers, bodyLength, keepsAlive, block }: LaneHead): void {
    if (block.length > maxKept || this.#young.has(block) || headers.has('authorization')) return;
    if (this.#youngBytes + block.length > maxGeneration) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(block, { headers, bodyLength, keepsAlive, block });
    this.#youngBytes += block.length;
  }
}

function readLines(bytes: Buffer, block: string): Lines | undefined {
  if (oddBlanks.test(block)) return undefined;
  const headers = HeaderLines.fromBytes(bytes);
  if (headers?.all('host').length !== 1 || foreignNames.some((name) => headers.has(name))) return undefined;
  const framing = headers.framing();
  if (framing.kind === 'faulty' || framing.kind === 'chunked') return undefined;
  const [connection = 'keep-alive', ...more] = headers.all('connection');
  if (more.length > 0 || !/^(?:keep-alive|close)$/i.test(connection)) return undefined;
  const bodyLength = framing.kind === 'length' ? framing.bytes : 0;
  return { headers, bodyLength, keepsAlive: connection.length !== 'close'.length, block };
}

/** Half a head with a line end that is none would wait for the rest for ever; Node's parser refuses it at once. */
function hasBareBreak(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1))
    if (at === 0 || bytes[at - 1] !== 0x0d) return true;
  return false;
}
