/** Cookies in answers of an application: changed at the last moment, when whatever sets some has done so. */
import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';

import type { Verdict } from '../core/verdict.ts';
import type { BoundCookies } from '../proxy/bound-cookies.ts';

type Change = (line: string) => string;
type HeadArguments = readonly unknown[];

/** Binds what an application sets by what is decided when it answers: a demand may have found out who is there. */
export function bindCookies(
  response: ServerResponse,
  cookies: Pick<BoundCookies, 'mark'>,
  verdictOf: () => Verdict,
): void {
  changeSetCookies(response, (line) => {
    const verdict = verdictOf();
    return verdict.kind === 'forward' ? cookies.mark(line, verdict.forward) : line;
  });
}

/**
 * Changes each `Set-Cookie` line of an answer before its head goes out. What wraps `writeHead` later, as session libraries do,
 * comes before this.
 */
function changeSetCookies(response: ServerResponse, change: Change): void {
  const write = response.writeHead.bind(response) as (...given: HeadArguments) => ServerResponse;
  const changing = (...given: HeadArguments): ServerResponse => {
    if (response.headersSent) return write(...given);
    const set = response.getHeader('set-cookie');
    if (set !== undefined) response.setHeader('set-cookie', linesOf(set).map(change));
    const headers = given.at(-1);
    return typeof headers === 'object' && headers !== null
      ? write(...given.slice(0, -1), changedIn(headers, change))
      : write(...given);
  };
  response.writeHead = changing as typeof response.writeHead;
}

/** Headers as `writeHead` takes them: by name, or names and values in turn, or in pairs. */
function changedIn(headers: object, change: Change): OutgoingHttpHeaders | readonly OutgoingHttpHeader[] {
  const changedValue = (name: unknown, value: OutgoingHttpHeader): OutgoingHttpHeader =>
    String(name).toLowerCase() === 'set-cookie' ? linesOf(value).map(change) : value;
  if (!Array.isArray(headers))
    return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, changedValue(name, value)]));
  if (headers.every(Array.isArray))
    return headers.map(([name, value]) => [
      name,
      changedValue(name, value),
    ]) as unknown as readonly OutgoingHttpHeader[];
  return headers.map((part, index) => (index % 2 === 1 ? changedValue(headers[index - 1], part) : part));
}

function linesOf(value: OutgoingHttpHeader): string[] {
  return (Array.isArray(value) ? value : [value]).map(String);
}
