/** The head of an upstream's answer, read from its bytes in the strict grammar of HTTP/1.1 (RFC 9112 §4 and §5). */
import { HeaderLines } from '../../core/request-head.ts';

/** A head, and how the body behind it ends. */
export interface AnswerHead {
  readonly status: number;
  readonly phrase: string;
  readonly headers: HeaderLines;
  /** Bytes of the head, with its empty line. */
  readonly length: number;
  readonly framing: AnswerFraming;
  /** Whether the upstream takes another request on the connection. */
  readonly keepsAlive: boolean;
}

/** How a body ends; `bytes` of those with a length. */
export type AnswerFraming =
  | { readonly kind: 'none' | 'chunked' | 'close' }
  | { readonly kind: 'length'; readonly bytes: number };

/** Longest head of an answer, in bytes. */
const maxHead = 65_536;
const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;

/** An answer that no honest server sends, or one that cannot be read in one way only. */
export class AnswerFault extends Error {
  readonly code = 'GATEHOUSE_ANSWER';
}

/** Reads the head at the beginning of what has come; undefined where its end has not. Throws an AnswerFault. */
export function readAnswerHead(bytes: Buffer, method: string): AnswerHead | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) {
    if (bytes.length > maxHead) throw new AnswerFault('the head of the answer is too long');
    if (!'HTTP/1.'.startsWith(bytes.toString('latin1', 0, Math.min(7, bytes.length))))
      throw new AnswerFault('the answer is no HTTP/1.1');
    return undefined;
  }
  if (end > maxHead) throw new AnswerFault('the head of the answer is too long');
  const first = bytes.indexOf('\r\n');
  const [, minor, code, phrase = ''] = statusLine.exec(bytes.toString('latin1', 0, first)) ?? [];
  if (code === undefined) throw new AnswerFault('the status line of the answer cannot be read');
  const headers = HeaderLines.fromBytes(bytes.subarray(first + 2, Math.max(end + 2, first + 2)));
  if (!headers) throw new AnswerFault('a header line of the answer cannot be read');
  const status = Number(code);
  const framing = framingOf(headers, status, { method, isOld: minor === '0' });
  const connection = headers.all('connection').join(',').toLowerCase();
  const keepsAlive =
    framing.kind !== 'close' && (minor === '1' ? !/\bclose\b/.test(connection) : /\bkeep-alive\b/.test(connection));
  return { status, phrase, headers, length: end + 4, framing, keepsAlive };
}

/** RFC 9112 §6.3, but for what two readers could see the end of in two places: that is a fault. */
function framingOf(
  headers: HeaderLines,
  status: number,
  { method, isOld }: { readonly method: string; readonly isOld: boolean },
): AnswerFraming {
  const lengths = headers.all('content-length');
  const codings = headers.all('transfer-encoding');
  if (codings.length > 0 && (lengths.length > 0 || isOld))
    throw new AnswerFault('the answer has two ends: a length and a transfer coding');
  if (lengths.length > 1) throw new AnswerFault('the answer has two lengths');
  const [length] = lengths;
  if (length !== undefined && !/^\d{1,15}$/.test(length))
    throw new AnswerFault('the length of the answer is no number');
  if (method === 'HEAD' || status === 204 || status === 304 || status < 200) return { kind: 'none' };
  if (codings.length > 0) {
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked')
      throw new AnswerFault('the transfer coding of the answer is not chunked');
    return { kind: 'chunked' };
  }
  if (length === undefined) return { kind: 'close' };
  return { kind: 'length', bytes: Number(length) };
}
