/** A browser that signs in at a contender before it is measured: keeps its cookies, follows nothing by itself. */
import { Agent, request } from 'undici';

/** What came back. */
export interface BrowserAnswer {
  readonly status: number;
  readonly text: string;
  readonly location: URL | undefined;
}

/** Somebody who signs in. */
export class Browser {
  readonly #cookies = new Map<string, string>();
  readonly #dispatcher = new Agent({ pipelining: 0, connect: { rejectUnauthorized: false } });

  /** Opens an address, with more header lines when they are given. */
  async open(url: URL | string, headers: Readonly<Record<string, string>> = {}): Promise<BrowserAnswer> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await request(url, {
      dispatcher: this.#dispatcher,
      reset: true,
      headers: { accept: 'text/html', ...(cookie && { cookie }), ...headers },
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

  /** The line that goes on with what it has signed in to: the cookies of these names. */
  cookieLine(isWanted: (name: string) => boolean): string {
    const kept = [...this.#cookies].filter(([name]) => isWanted(name));
    if (kept.length === 0) throw new Error(`no cookie of a session among: ${[...this.#cookies.keys()].join(', ')}`);
    return `Cookie: ${kept.map(([name, value]) => `${name}=${value}`).join('; ')}`;
  }
}
