/** What stands behind the body of an answer, as the client gets it. Pure. */
import { HeaderLines } from '../../core/request-head.ts';
import { connectionNamed, hopByHop } from '../header-names.ts';

/** Trailers for the client: none that belongs to a connection, or to the head of an answer. */
export function plainTrailers(rawHeaders: readonly string[]): string[] {
  const trailers = new HeaderLines(rawHeaders);
  const named = connectionNamed(trailers);
  const lines: string[] = [];
  trailers.each((name, value) => {
    const isOfHead =
      hopByHop.has(name) || named.has(name) || /^(?::|content-|set-cookie$|location$|www-authenticate$)/.test(name);
    if (!isOfHead && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) lines.push(name, value);
  });
  return lines;
}
