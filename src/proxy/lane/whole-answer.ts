/**
 * The usual answer: all of it in one read, and nothing in it that is to be rewritten. Its head goes on line by line as it came, but
 * for those of its connection; whatever is not beyond doubt is left to the answer's reader.
 */
import { hasAnswersByIdentity } from '../../core/route.ts';
import type { Forward } from '../../core/verdict.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import { hopByHop } from '../header-names.ts';
import { clientEnd, dateLine } from './client-head.ts';
import { pageFor, writePage } from './write-page.ts';

/** What an answer is judged by. */
interface WholeTerms {
  /** Added where the upstream has no such line: names and values in turn. */
  readonly added: readonly string[];
  /** False: nobody is signed in, so that a page needs no rule of who may keep it. */
  readonly isIdentified: boolean;
}

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

/** Whether answers to a request go on as they came, but for the lines that are looked at. */
export function goesOnAsItCame({ route, reply, firstCookies, principal }: Forward): boolean {
  if (firstCookies || route.cors || (principal && hasAnswersByIdentity(route))) return false;
  for (const _ in reply) return false;
  return true;
}

/** Sends an answer that has come whole; its status, or undefined where it is another kind of answer and nothing was sent. */
export function sendWhole(
  bytes: Buffer,
  exchange: Pick<LaneExchange, 'socket' | 'keepAlive' | 'write'>,
  terms: WholeTerms,
): { readonly status: number } | undefined {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, maxHead));
  const end = text.indexOf('\r\n\r\n');
  const status = end === -1 ? 0 : Number(statusLine.exec(text)?.[1] ?? 0);
  if (status === 0 || status === 204 || status === 304) return undefined;
  const head = text.slice(0, end + 2);
  if (odd.test(head)) return undefined;
  let kept = '';
  let keptFrom = 0;
  let length = -1;
  let hasDate = false;
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
        if (length !== -1 || !/^\d{1,9}$/.test(said)) return undefined;
        length = Number(said);
        break;
      }
      case 'connection':
        if (!/^keep-alive$/i.test(head.slice(colon + 1, lineEnd).trim())) return undefined;
        kept += head.slice(keptFrom, start);
        keptFrom = lineEnd + 2;
        break;
      case 'type':
        if (isRead(head.slice(colon + 1, lineEnd), terms)) return undefined;
        break;
      default:
        return undefined;
    }
    start = lineEnd + 2;
  }
  if (length !== bytes.length - end - 4) return undefined;
  const { socket } = exchange;
  const { added } = terms;
  kept += head.slice(keptFrom);
  if (!hasDate) kept += dateLine();
  for (let index = 0; index + 1 < added.length; index += 2) kept += `${added[index]}: ${added[index + 1]}\r\n`;
  kept += clientEnd(exchange.keepAlive);
  const page = pageFor(kept.length + length, socket);
  const written = page.write(kept, 0, 'latin1');
  bytes.copy(page, written, end + 4, bytes.length);
  writePage(page, written + length, socket, exchange);
  return { status };
}

/** An event stream is looked after; a page of somebody's may need a rule. */
function isRead(type: string, { isIdentified }: WholeTerms): boolean {
  return /event-stream/i.test(type) || (isIdentified && /html/i.test(type));
}
