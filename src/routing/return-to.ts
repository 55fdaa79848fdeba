/** Where a login may send the browser back to: a path on this site, and nothing else, whoever wrote the value. */
import { maxPath, readPath } from './path.ts';

/**
 * The gateway's own pages: going back to them would sign in again, or out. A saved form, the account, the sessions and the way to the start
 * page are pages to see, a hand-over waits for the login, and so does a step-up.
 */
const ownPages = /^\/_gate(?:\/(?!(?:replay|session|account|handover|home|factor)$)|$)/;

/**
 * The path and query to return to, or `/` where the value is anything but a plain path of this site.
 *
 * Our own values are canonical already; one that has to be rebuilt, such as `//evil.example` or `/./x`, comes from somebody
 * else. A fragment is cut off. Ask again wherever the value has been in a client's hands.
 */
export function safeReturnTo(value: string | undefined, publicUrl: URL): string {
  const [target = ''] = (value ?? '').split('#', 1);
  // Nothing that browsers drop (tabs, line breaks) or turn (backslashes) may be in it, the query included.
  if (!target.startsWith('/') || target.length > maxPath || /[^\x21-\x7e]|\\/.test(target)) return '/';
  const mark = target.indexOf('?');
  const query = mark === -1 ? '' : target.slice(mark);
  const reading = readPath(mark === -1 ? target : target.slice(0, mark));
  if (reading.kind === 'refused' || reading.rebuilt || ownPages.test(reading.path)) return '/';
  // A server that decodes before it redirects would make //evil.example of it.
  if (reading.path.startsWith('/%2F')) return '/';
  const path = reading.path + query;
  return staysHere(path, publicUrl) ? path : '/';
}

/** The browser's own reading has the last word. */
function staysHere(path: string, publicUrl: URL): boolean {
  return URL.canParse(path, publicUrl.href) && new URL(path, publicUrl).origin === publicUrl.origin;
}
