/** An answer of the gateway's own as a value: whoever has the connection writes it, over HTTP/1.1, HTTP/2 or a bare socket. */
import type { GatewayError } from './errors.ts';
import { referenceCode } from './reference-code.ts';

/** Headers of an answer, names in lower case; several lines of one name as a list. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>;

/** What is answered. Its length is the writer's to say, and `Cache-Control: no-store` where nothing else is said. */
export interface Answer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: string;
}

/** An answer for programs. */
export function jsonAnswer(status: number, body: object, headers: AnswerHeaders = {}): Answer {
  const type = { 'content-type': 'application/json; charset=utf-8' };
  return { status, headers: { ...type, ...headers }, body: `${JSON.stringify(body)}\n` };
}

/** Sends the browser elsewhere; 303 so that a POST does not follow. */
export function redirectAnswer(method: string | undefined, location: string, headers: AnswerHeaders = {}): Answer {
  return plainAnswer(isRead(method) ? 302 : 303, { ...headers, location });
}

/** Says that an address is another for good; 308 so that a form follows with what it holds. */
export function permanentRedirect(method: string | undefined, location: string): Answer {
  return plainAnswer(isRead(method) ? 301 : 308, { location });
}

/** An answer without a body. */
export function plainAnswer(status: number, headers: AnswerHeaders = {}): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body: '' };
}

/** Of these several lines stand side by side; of all other names one takes the place of another. */
const addsUp = ['set-cookie', 'www-authenticate', 'vary'] as const;

/** An answer with more headers: cookies, challenges and `Vary` add up; of all else what the answer says stays. */
export function withHeaders(answer: Answer, reply: AnswerHeaders): Answer {
  const headers: Record<string, string | readonly string[]> = { ...reply, ...answer.headers };
  for (const name of addsUp) {
    const [first, second] = [answer.headers[name], reply[name]];
    if (first !== undefined && second !== undefined) headers[name] = [first, second].flat();
  }
  return { ...answer, headers };
}

/** The JSON of an error: its code in the words of the web, the public message, the request's id. */
export function errorBody(error: GatewayError, requestId: string): object {
  const code = referenceCode(requestId);
  return { error: error.code.toLowerCase().replaceAll('_', '-'), message: error.publicMessage, requestId, code };
}

function isRead(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD';
}
