/** The head of an answer as a client of HTTP/1.1 gets it: what `node:http` would add, too, so that both lanes answer alike. */
import { STATUS_CODES } from 'node:http';

/** What a head says beside the upstream's lines. */
interface ClientHead {
  readonly status: number;
  readonly phrase: string;
  /** Names and values in turn. */
  readonly lines: readonly string[];
  readonly isChunked: boolean;
  /** Seconds for which the connection is kept; undefined where it ends with this answer. */
  readonly keepAlive: number | undefined;
}

const printable = /^[\x20-\x7e]+$/;
let date = '';
let dateUntil = 0;

/** Writes a head, with its empty line; Latin-1. */
export function clientHead({ status, phrase, lines, isChunked, keepAlive }: ClientHead): string {
  const said = printable.test(phrase) ? phrase : (STATUS_CODES[status] ?? 'unknown');
  let head = `HTTP/1.1 ${status} ${said}\r\n`;
  let hasDate = false;
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const name = lines[index] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'date') hasDate = true;
    head += `${name}: ${lines[index + 1]}\r\n`;
  }
  if (!hasDate) head += dateLine();
  if (isChunked) head += 'Transfer-Encoding: chunked\r\n';
  return head + clientEnd(keepAlive);
}

let end = { keepAlive: -1, text: '' };

/** What a head ends with: whether the connection is kept, and the empty line. */
export function clientEnd(keepAlive: number | undefined): string {
  if (keepAlive === undefined) return 'Connection: close\r\n\r\n';
  if (end.keepAlive !== keepAlive)
    end = { keepAlive, text: `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAlive}\r\n\r\n` };
  return end.text;
}

/** The line of an answer that brings no `Date` of its own. */
export function dateLine(): string {
  return `Date: ${dateNow()}\r\n`;
}

/** `Date` of this second. */
function dateNow(): string {
  const now = Date.now();
  if (now < dateUntil) return date;
  date = new Date(now).toUTCString();
  dateUntil = now - (now % 1000) + 1000;
  return date;
}
