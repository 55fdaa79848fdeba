/** A browser without a window: keeps cookies, follows nothing by itself, fills in our forms. */
import assert from 'node:assert/strict';
import { type Dispatcher, request } from 'undici';

/** An answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** What a request may say beside its address. */
export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A visitor of one gateway. */
export class Visitor {
  readonly origin: string;
  readonly cookies: Map<string, string>;

  readonly #dispatcher: Dispatcher | undefined;

  /** The dispatcher says how an https gateway is connected to. Visitors of several ports of a host share its cookies. */
  constructor(gateway: URL, dispatcher?: Dispatcher, cookies: Map<string, string> = new Map()) {
    this.origin = gateway.origin;
    this.#dispatcher = dispatcher;
    this.cookies = cookies;
  }

  get cookieHeader(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** A page load, as a browser's address bar makes it. */
  open(path: string, ask: Ask = {}): Promise<Answer> {
    return this.fetch(path, {
      ...ask,
      headers: { accept: 'text/html,application/xhtml+xml', 'sec-fetch-mode': 'navigate', ...ask.headers },
    });
  }

  /** A request of a script. */
  async fetch(path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
    const cookie = this.cookieHeader;
    const response = await request(this.origin + path, {
      method: method as 'GET',
      headers: { ...(cookie && { cookie }), ...headers },
      ...(this.#dispatcher && { dispatcher: this.#dispatcher }),
      ...(body !== undefined && { body }),
    });
    this.#keep(response.headers['set-cookie']);
    return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
  }

  /** Posts a form as a page of the gateway's origin does. */
  post(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return this.open(path, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: this.origin,
        'sec-fetch-site': 'same-origin',
        ...headers,
      },
      body: new URLSearchParams(fields).toString(),
    });
  }

  /** Opens the login page and sends its form. */
  async signIn(username: string, password: string, returnTo = '/'): Promise<Answer> {
    const page = await this.open(`/_gate/login?${new URLSearchParams({ return: returnTo })}`);
    return this.post('/_gate/login', { ...hiddenFields(page.text), username, password });
  }

  /** Signs in and makes sure that it worked. */
  async mustSignIn(username: string, password: string, returnTo = '/'): Promise<void> {
    const answer = await this.signIn(username, password, returnTo);
    assert.equal(answer.status, 303, `signing in as ${username} was answered with ${answer.status}`);
    assert.equal(answer.headers.location, returnTo);
  }

  #keep(header: string | string[] | undefined): void {
    for (const line of header === undefined ? [] : [header].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }
}

/** The hidden fields of the forms on a page. */
export function hiddenFields(page: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [tag] of page.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(tag)?.[1];
    const value = /value="([^"]*)"/.exec(tag)?.[1] ?? '';
    if (name)
      fields[name] = value
        .replaceAll('&quot;', '"')
        .replaceAll('&#39;', "'")
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&');
  }
  return fields;
}
