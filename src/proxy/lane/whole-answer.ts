/**
 * The usual answer: all of it in one read, and nothing in it that is to be rewritten. Its head goes on line by line as it came, but
 * for those of its connection; whatever is not beyond doubt is left to the answer's reader.
 */
import { hasAnswersByIdentity } from '../../core/route.ts';
import type { Forward } from '../../core/verdict.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import { clientEnd, dateLine } from './client-head.ts';
import { readWholeHead } from './whole-head.ts';
import { pageFor, writePage } from './write-page.ts';

/** What an answer is judged by. */
interface WholeTerms {
  /** Added where the upstream has no such line: names and values in turn. */
  readonly added: readonly string[];
  /** False: nobody is signed in, so that a page needs no rule of who may keep it. */
  readonly isIdentified: boolean;
  /** By the clock of `performance`. */
  readonly now: number;
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
  { added, isIdentified, now }: WholeTerms,
): number | undefined {
  const head = readWholeHead(bytes, now);
  if (!head || head.bodyLength !== bytes.length - head.length) return undefined;
  // A page of somebody's may need a rule of who may keep it.
  if (isIdentified && head.isPage) return undefined;
  const { socket } = exchange;
  let more = head.hasDate ? '' : dateLine();
  for (let index = 0; index + 1 < added.length; index += 2) more += `${added[index]}: ${added[index + 1]}\r\n`;
  more += clientEnd(exchange.keepAlive);
  const page = pageFor(head.lines.length + more.length + head.bodyLength, socket);
  let length = page.write(head.lines, 0, 'latin1');
  length += page.write(more, length, 'latin1');
  length += bytes.copy(page, length, head.length);
  writePage(page, length, socket, exchange);
  return head.status;
}
