/**
 * The head of an answer whose lines go on as they came, but for those of its connection; whatever is not beyond doubt is left to the
 * answer's reader.
 */
import { hopByHop } from '../header-names.ts';

/** Longest head that is looked at, in bytes. */
const maxHead = 4096;
const statusLine = /^HTTP\/1\.1 ([2-5]\d\d) [\x20-\x7e]+\r\n/;
/** No value holds these, and no line ends in half of its end. */
const odd = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|[^\r]\n/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;

/** What is done about a line of a name. */
type Treatment = 'goes-on' | 'is-read' | 'length' | 'connection' | 'type' | 'date';

/** Lines that are rewritten, judged or counted where they stand in an answer. */
const read: ReadonlySet<string> = new Set([
  ...hopByHop,
  ...['set-cookie', 'location', 'refresh', 'clear-site-data', 'www-authenticate', 'alt-svc'],
  'strict-transport-security',
]);

const treatments = new Map<string, Treatment>();
const maxKnown = 1024;

function treatmentOf(spelling: string): Treatment {
  const known = treatments.get(spelling);
  if (known !== undefined) return known;
  const judged = judge(spelling);
  // Servers spell two dozen names all day; what else they invent must not grow the memory.
  if (treatments.size < maxKnown) treatments.set(spelling, judged);
  return judged;
}

function judge(spelling: string): Treatment {
  const name = spelling.toLowerCase();
  if (name === 'content-length') return 'length';
  if (name === 'connection') return 'connection';
  if (name === 'content-type') return 'type';
  if (name === 'date') return 'date';
  return read.has(name) || !token.test(name) ? 'is-read' : 'goes-on';
}

/** What is sent of a head, and what has to be known of it. */
interface WholeHead {
  readonly status: number;
  /** The lines that go on, with the status line. */
  readonly lines: string;
  /** Bytes of the head, with its empty line. */
  readonly length: number;
  /** What it says of the body. */
  readonly bodyLength: number;
  readonly hasDate: boolean;
  readonly isPage: boolean;
}

/** Heads of the last second: a server sends the same, with their `Date`, for as long as that. */
const known = new Map<string, WholeHead>();
const maxKnownHeads = 512;
const keptFor = 1000;
let knownUntil = Number.NEGATIVE_INFINITY;

/** Reads the head at the beginning of what has come; undefined where there is another. `now` is by the clock of `performance`. */
export function readWholeHead(bytes: Buffer, now: number): WholeHead | undefined {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, maxHead));
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  if (now > knownUntil) {
    known.clear();
    knownUntil = now + keptFor;
  }
  const head = text.slice(0, end + 2);
  const before = known.get(head);
  if (before) return before;
  const made = readAnew(head);
  if (made && known.size < maxKnownHeads) known.set(head, made);
  return made;
}

function readAnew(head: string): WholeHead | undefined {
  const status = Number(statusLine.exec(head)?.[1] ?? 0);
  if (status === 0 || status === 204 || status === 304 || odd.test(head)) return undefined;
  const lines: string[] = [];
  let keptFrom = 0;
  let bodyLength = -1;
  let [hasDate, isPage] = [false, false];
  for (let start = head.indexOf('\r\n') + 2; start < head.length; ) {
    const lineEnd = head.indexOf('\r\n', start);
    const colon = head.indexOf(':', start);
    if (colon === -1 || colon > lineEnd) return undefined;
    switch (treatmentOf(head.slice(start, colon))) {
      case 'goes-on':
        break;
      case 'date':
        hasDate = true;
        break;
      case 'length': {
        const said = head.slice(colon + 1, lineEnd).trim();
        if (bodyLength !== -1 || !/^\d{1,9}$/.test(said)) return undefined;
        bodyLength = Number(said);
        break;
      }
      case 'connection':
        if (!/^keep-alive$/i.test(head.slice(colon + 1, lineEnd).trim())) return undefined;
        lines.push(head.slice(keptFrom, start));
        keptFrom = lineEnd + 2;
        break;
      case 'type': {
        const type = head.slice(colon + 1, lineEnd);
        if (/event-stream/i.test(type)) return undefined;
        isPage ||= /html/i.test(type);
        break;
      }
      default:
        return undefined;
    }
    start = lineEnd + 2;
  }
  lines.push(head.slice(keptFrom));
  return { status, lines: lines.join(''), length: head.length + 2, bodyLength, hasDate, isPage };
}
