/** The one way in which a cookie of the gateway's is set. */

/** What a cookie says beside its name and value. */
interface CookieTerms {
  /** Where it is sent; the whole site when left out. */
  readonly path?: string;
  /** Until when it is kept; until the browser ends when left out, gone at once for 0. */
  readonly maxAgeSeconds?: number;
}

/** A `Set-Cookie` value: out of the reach of scripts, only over https where the site is, and not sent by other sites' forms. */
export function setCookie(
  publicUrl: URL,
  name: string,
  value: string,
  { path = '/', maxAgeSeconds }: CookieTerms = {},
): string {
  const age = maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`;
  const secure = publicUrl.protocol === 'https:' ? '; Secure' : '';
  return `${name}=${value}; Path=${path}${age}; HttpOnly; SameSite=Lax${secure}`;
}
