/** A client of one server's pages: keeps its cookies, follows nothing by itself. */
import { request } from 'undici';

/** An answer, with the address that it sends on to. */
export interface PageAnswer {
  readonly status: number;
  readonly text: string;
  readonly location: URL | undefined;
}

/** Asks with the cookies that it has been given. */
export class CookieClient {
  readonly #cookies = new Map<string, string>();

  /** Sends a form, JSON, or nothing. */
  async ask(url: URL | string, body?: URLSearchParams | object, method = body ? 'POST' : 'GET'): Promise<PageAnswer> {
    const isForm = body instanceof URLSearchParams;
    const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const { origin } = new URL(url);
    const response = await request(url, {
      method: method as 'GET',
      headers: { accept: 'text/html', origin, ...(cookie && { cookie }), ...(body && { 'content-type': type }) },
      ...(body && { body: isForm ? body.toString() : JSON.stringify(body) }),
    });
    for (const line of [response.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const { location } = response.headers;
    return {
      status: response.statusCode,
      text: await response.body.text(),
      location: typeof location === 'string' ? new URL(location, url) : undefined,
    };
  }
}

/** The fields of the first form on a page, and where they go. */
export function formOn(page: string, base: URL): { readonly action: URL; readonly fields: URLSearchParams } {
  const form = /<form[\s\S]*?<\/form>/i.exec(page)?.[0] ?? '';
  const decoded = (text: string): string => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"');
  const fields = new URLSearchParams();
  for (const [tag] of form.matchAll(/<input[^>]*>/gi)) {
    const name = /\bname="([^"]*)"/.exec(tag)?.[1];
    if (name) fields.set(name, decoded(/\bvalue="([^"]*)"/.exec(tag)?.[1] ?? ''));
  }
  const action = decoded(/\baction="([^"]*)"/.exec(form)?.[1] ?? '');
  return { action: action === '#' || action === '' ? base : new URL(action, base), fields };
}
