/** Somebody with a browser at a CAS server. */
import assert from 'node:assert/strict';
import { Agent, request } from 'undici';

/** Who sits in front of the server's pages: keeps its cookies, follows nothing by itself. */
export class CasBrowser {
  readonly #url: string;
  readonly #cookies = new Map<string, string>();

  constructor(url: string) {
    this.#url = url;
  }

  /** Fills in the server's login form. */
  async signIn(name: string, password: string): Promise<void> {
    const { status } = await this.#sendForm(`${this.#url}/login`, name, password);
    assert.equal(status, 200, `signing in at CAS as ${name}`);
    assert.ok(this.#cookies.has('sessionid'), `CAS knows ${name}`);
  }

  /** Opens the address of the login that a service leads to; where CAS sends the browser, or undefined when it asks first. */
  async visit(login: string): Promise<URL | undefined> {
    const { location } = await this.#ask(login);
    return location === undefined ? undefined : new URL(location, login);
  }

  /** The same with the credentials given on the page that CAS then shows. */
  async visitWithPassword(login: string, name: string, password: string): Promise<URL | undefined> {
    const { location } = await this.#sendForm(login, name, password);
    return location === undefined ? undefined : new URL(location, login);
  }

  /** Signs out of CAS, which tells every service; where CAS sends the browser. */
  async signOut(address = `${this.#url}/logout`): Promise<string | undefined> {
    return (await this.#ask(address)).location;
  }

  async #sendForm(address: string, name: string, password: string) {
    const page = await this.#ask(address);
    const fields = new URLSearchParams({ username: name, password });
    for (const [tag] of page.text.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      const field = /name="([^"]*)"/.exec(tag)?.[1];
      if (field) fields.set(field, (/value="([^"]*)"/.exec(tag)?.[1] ?? '').replaceAll('&amp;', '&'));
    }
    const action = new URL(/<form[^>]*action="([^"]*)"/.exec(page.text)?.[1] || address, address);
    return this.#ask(action.href, fields.toString());
  }

  async #ask(address: string, form?: string): Promise<{ status: number; location?: string; text: string }> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    const headers = { referer: address, ...(cookie && { cookie }) };
    const response = await request(address, {
      dispatcher,
      reset: true,
      method: form === undefined ? 'GET' : 'POST',
      headers: { ...headers, ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }) },
      ...(form !== undefined && { body: form }),
    });
    for (const line of [response.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || value === '""') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const text = await response.body.text();
    await dispatcher.destroy();
    const { location } = response.headers;
    return { status: response.statusCode, text, ...(typeof location === 'string' && { location }) };
  }
}
