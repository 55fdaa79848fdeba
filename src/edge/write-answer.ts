/** Writes an answer where it belongs: a response of HTTP/1.1 or HTTP/2, a bare stream of HTTP/2, a bare socket. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Answer, AnswerHeaders } from '../core/answer.ts';
import { closeSocket } from './close-socket.ts';

/** Answers a request. A body that is still arriving is not waited for: the connection closes. */
export function writeAnswer(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = answer.status;
  // An answer that could not be passed on may have left its own phrase there.
  response.statusMessage = STATUS_CODES[answer.status] ?? '';
  // RFC 9110 §8.6: of what has no content there is no length.
  if (answer.status !== 204) response.setHeader('content-length', Buffer.byteLength(answer.body));
  response.setHeader('cache-control', 'no-store');
  addHeaders(response, answer.headers);
  if (!request.complete) response.setHeader('connection', 'close');
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

/** Adds headers to an answer that somebody else sends: cookies, challenges and `Vary` add up, everything else is one. */
export function addHeaders(response: ServerResponse, headers: AnswerHeaders): void {
  for (const [name, value] of Object.entries(headers)) {
    const values = typeof value === 'string' ? [value] : [...value];
    const addsUp = /^(?:set-cookie|www-authenticate|vary)$/i.test(name);
    if (addsUp) for (const one of values) response.appendHeader(name, one);
    else response.setHeader(name, typeof value === 'string' ? value : values);
  }
}

/** Answers on a stream of HTTP/2 of which no request has been made. */
export function writeToStream(stream: ServerHttp2Stream, answer: Answer): void {
  const lines = [':status', String(answer.status), ...linesOf(answer)];
  stream.respond(lines, { endStream: answer.body === '' });
  if (answer.body !== '') stream.end(answer.body);
}

/** Answers on a socket that no HTTP server looks after any more, and ends it. */
export function writeToSocket(socket: Duplex, answer: Answer): void {
  const lines = linesOf(answer);
  let head = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\nconnection: close\r\n`;
  for (let index = 0; index + 1 < lines.length; index += 2) head += `${lines[index]}: ${lines[index + 1]}\r\n`;
  closeSocket(socket, `${head}\r\n${answer.body}`);
}

/** Names and values in turn, with the length, where there is one, and the rule that nobody keeps it. */
function linesOf({ status, headers, body }: Answer): string[] {
  const all: AnswerHeaders = {
    'cache-control': 'no-store',
    ...headers,
    ...(status !== 204 && { 'content-length': String(Buffer.byteLength(body)) }),
  };
  return Object.entries(all).flatMap(([name, value]) => [value].flat().flatMap((one) => [name, one]));
}
