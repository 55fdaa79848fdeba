/** The head of a message that Node has parsed, read once for all who ask. */
import type { IncomingMessage } from 'node:http';
import { HeaderLines } from '../core/request-head.ts';

const heads = new WeakMap<object, HeaderLines>();

/** The header lines of a message, of HTTP/2 as of HTTP/1.1; read anew where somebody has put others in their place. */
export function headOf(message: Pick<IncomingMessage, 'rawHeaders'>): HeaderLines {
  const known = heads.get(message);
  if (known?.raw === message.rawHeaders) return known;
  const head = new HeaderLines(message.rawHeaders);
  heads.set(message, head);
  return head;
}
