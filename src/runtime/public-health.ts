/** The health that balancers ask for on the public listeners, before anything else of a request is judged. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PublicHealth } from '../admin/health.ts';
import { networks } from '../config/values.ts';
import { headOf } from '../edge/head-of.ts';
import { writeAnswer } from '../edge/write-answer.ts';
import type { Document } from '../gateway/document.ts';

/** Answers a request that asks for the health; false where it asks for something else. */
export type AnswerHealth = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Whether a target asks for the health. */
export function isHealth(target: string, { health }: Pick<Document['server'], 'health'>): boolean {
  if (health === false || !target.startsWith(health)) return false;
  return target.length === health.length || target[health.length] === '?';
}

/**
 * Makes the answer for one configuration. Neither audit nor metrics count it: a balancer asks each second. Balancers that are
 * trusted may ask by OPTIONS, and by HTTP/1.0 without a Host, as HAProxy does unless it is told otherwise.
 */
export function healthAnswer({ server }: Document, health: () => Promise<PublicHealth>): AnswerHealth {
  const isTrusted = networks([...server.trustedProxies, ...server.proxyProtocol]);
  return (request, response) => {
    if (!isHealth(request.url ?? '', server)) return false;
    const isPlainQuestion = /^(?:GET|HEAD)$/.test(request.method ?? '') && headOf(request).has('host');
    const isQuestion = isPlainQuestion || /^(?:GET|HEAD|OPTIONS)$/.test(request.method ?? '');
    if (!isPlainQuestion && !(isQuestion && isTrusted(request.socket.remoteAddress ?? ''))) return false;
    void health().then((word) => {
      const headers = { 'content-type': 'text/plain; charset=utf-8' };
      writeAnswer(request, response, { status: word === 'ok' ? 200 : 503, headers, body: word });
    });
    return true;
  };
}
