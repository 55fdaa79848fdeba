/**
 * The head of a request as the lane reads it: one narrow grammar, in which no two parsers differ. What does not fit is not
 * wrong; it is left, untouched, to Node's own parser.
 */
import { KeptMap } from '../../core/kept-map.ts';
import { readLines } from './line-grammar.ts';
import { LaneHead, type LaneLines } from './lines.ts';
import { Sightings } from './sightings.ts';

/** A head; that its end has not come yet; or that it is not the lane's to read. */
type HeadReading = LaneHead | 'incomplete' | 'foreign';

/** Longest head that the lane takes, in bytes. A Kerberos ticket may be longer; it comes once. */
const maxHead = 16_384;
/** Longest block of lines that is kept, in bytes. */
const maxKept = 4096;
/** Bytes that kept readings take: of heads that a live session has vouched for, and of all others. */
const [maxVouched, maxOthers] = [16 * 1024 * 1024, 4 * 1024 * 1024];
/** What a reading takes beside its block: about as much again where it is decided on, and some objects. */
const overhead = 2048;

/** Methods that Node's parser knows as well, and that ask for no tunnel. */
const methods = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const;
/** Without a fragment. */
const plainTarget = /^\/[\x21\x22\x24-\x7e]*$/;
const version = ' HTTP/1.1';

/** Reads heads; many are kept by their bytes, since a browser that polls sends the same lines again and again. */
export class HeadReader {
  readonly #maxHead: number;
  readonly #vouched = new KeptMap<LaneLines>(maxVouched);
  /** Apart, so that a flood of strangers' heads fills no memory and displaces nobody's. */
  readonly #others = new KeptMap<LaneLines>(maxOthers);
  readonly #sightings = new Sightings();

  /** `limit` is the listener's own for a head, in bytes. */
  constructor(limit: number) {
    this.#maxHead = Math.min(limit, maxHead);
  }

  /** Reads the head at the beginning of what has come. */
  read(bytes: Buffer): HeadReading {
    const text = bytes.toString('latin1', 0, Math.min(bytes.length, this.#maxHead));
    const end = text.indexOf('\r\n\r\n');
    if (end === -1) return bytes.length <= this.#maxHead && mayBecomeHead(text) ? 'incomplete' : 'foreign';
    const first = text.indexOf('\r\n');
    const request = first === end ? undefined : readRequestLine(text, first);
    if (!request) return 'foreign';
    const block = text.slice(first + 2, end + 2);
    const lines = this.#vouched.get(block) ?? this.#others.get(block) ?? readLines(block);
    return lines ? new LaneHead({ ...request, lines, text: text.slice(0, end + 4) }) : 'foreign';
  }

  /**
   * Keeps the reading of a head that comes for the second time, `isVouched` where a live session speaks for it; false where it is
   * none to keep. A reading is a function of the bytes alone.
   */
  keep({ lines }: LaneHead, isVouched: boolean): boolean {
    const { block } = lines;
    if (block.length > maxKept || lines.hasCredentials) return false;
    const kept = isVouched ? this.#vouched : this.#others;
    if (this.#vouched.get(block) === lines || kept.get(block) === lines) return true;
    if (!this.#sightings.isAnother(block)) return false;
    kept.set(lines.keep(), lines, block.length * 2 + overhead);
    return true;
  }
}

/** The request line, which ends at an offset. */
function readRequestLine(text: string, end: number): Pick<LaneHead, 'method' | 'target'> | undefined {
  const method = methods.find((one) => text.startsWith(one) && text[one.length] === ' ');
  if (method === undefined || !text.startsWith(version, end - version.length)) return undefined;
  const target = text.slice(method.length + 1, end - version.length);
  return plainTarget.test(target) ? { method, target } : undefined;
}

/** Half a request line. */
const begunLine =
  /^(?:[A-Z]{0,7}|(?:GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) (?:\/[\x21\x22\x24-\x7e]*(?: [HTP/1.]{0,8})?)?)\r?$/;

/** Half a line end. */
const bareBreak = /\r(?=[^\n])|(?<!\r)\n/;

/** Half a head that can be none of the lane's any more would be waited for in vain; Node's parser refuses it at once. */
function mayBecomeHead(text: string): boolean {
  const first = text.indexOf('\r\n');
  const isBegun = first === -1 ? begunLine.test(text) : readRequestLine(text, first) !== undefined;
  return isBegun && !bareBreak.test(text);
}
