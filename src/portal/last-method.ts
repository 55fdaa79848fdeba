/** Remembers in a cookie which method a browser used last, so that the login page can say so. It decides nothing. */
import type { HeaderLines } from '../core/request-head.ts';
import { setCookie } from '../core/set-cookie.ts';
import { readCookie } from '../sessions/cookie.ts';

const name = 'gatehouse-last';
const seconds = 180 * 24 * 3600;

/** A `Set-Cookie` value that remembers a provider. */
export function lastMethodCookie(publicUrl: URL, provider: string): string {
  return setCookie(publicUrl, name, encodeURIComponent(provider), { path: '/_gate/', maxAgeSeconds: seconds });
}

/** The provider that a browser's cookies remember; only ever compared with configured names. */
export function lastMethod(headers: HeaderLines): string | undefined {
  const value = readCookie(headers.all('cookie'), name);
  return value !== undefined && /^[a-zA-Z0-9-]{1,64}$/.test(value) ? value : undefined;
}
