/** An agent of a soak: signs in, works with pages, a WebSocket and an event stream, signs out, and begins anew. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { WebSocket } from 'ws';
import { hiddenFields, Visitor } from '../../test/support/scenes/visitor.ts';
import { type MixedGround, soakPassword } from './ground.ts';
import type { Errand, Troubles } from './troubles.ts';

/** What all agents count together. */
export class MixedCounts {
  logins = 0;
  refused = 0;
  pages = 0;
  sockets = 0;
  streams = 0;
  aborted = 0;
  logouts = 0;
  /** Errors in the time of a trouble that can have caused them. */
  explained = 0;
  unexplained = 0;
  wrongIdentities = 0;
  readonly #examples: string[] = [];

  /** Some of the errors that nothing explains. */
  get examples(): readonly string[] {
    return this.#examples;
  }

  error(isExplained: boolean, what: string): void {
    if (isExplained) this.explained += 1;
    else {
      this.unexplained += 1;
      const example = `${new Date().toISOString()} ${what}`;
      if (this.#examples.length < 30) this.#examples.push(example);
      if (this.#examples.at(-1) === example) console.log(`unexplained: ${example}`);
    }
  }
}

/** What an agent works with. */
export interface MixedParts {
  readonly ground: MixedGround;
  readonly dispatcher: Dispatcher;
  readonly counts: MixedCounts;
  readonly troubles: Troubles;
  isOver(): boolean;
}

/** An agent. */
export class MixedAgent {
  readonly #name: string;
  readonly #index: number;
  readonly #parts: MixedParts;

  constructor(index: number, parts: MixedParts) {
    this.#name = `agent${index}`;
    this.#index = index;
    this.#parts = parts;
  }

  /** Shift after shift, until it is over. */
  async work(): Promise<void> {
    while (!this.#parts.isOver()) await this.#shift();
  }

  async #shift(): Promise<void> {
    const { ground, dispatcher, counts } = this.#parts;
    const browser = new Visitor(new URL(ground.gateway.url), dispatcher);
    if (this.#index % 8 === 0)
      await this.#try('login', 'a wrong password', async () => {
        const { status } = await browser.signIn(this.#name, 'wrong');
        if (status !== 401) throw new Error(`status ${status}`);
        counts.refused += 1;
      });
    const isIn = await this.#try('login', 'a login', async () => {
      await browser.mustSignIn(this.#name, soakPassword);
      counts.logins += 1;
    });
    if (!isIn) return void (await delay(1000));
    const [socket, stream] = await Promise.all([this.#socket(browser), this.#stream(browser)]);
    for (let page = 0; page < 60 && !this.#parts.isOver(); page += 1) {
      await this.#page(browser, page);
      if (socket?.readyState === WebSocket.OPEN) socket.send('a frame');
      await delay(50);
    }
    await this.#abortDownload(browser);
    await this.#try('login', 'a logout', async () => {
      const page = await browser.open('/_gate/logout');
      const closed = socket?.readyState === WebSocket.OPEN ? once(socket, 'close') : Promise.resolve();
      const { status } = await browser.post('/_gate/logout', hiddenFields(page.text));
      if (status >= 400) throw new Error(`status ${status}`);
      counts.logouts += 1;
      const late = delay(5000, undefined, { ref: false }).then(() =>
        Promise.reject(new Error('a WebSocket outlived its logout')),
      );
      await Promise.race([closed, late]);
    });
    stream?.destroy();
    socket?.terminate();
  }

  /** False where it failed, which is counted by whether a trouble explains it. */
  async #try(errand: Errand, what: string, work: () => Promise<void>): Promise<boolean> {
    const { counts, troubles } = this.#parts;
    const startedAt = performance.now();
    try {
      await work();
      return true;
    } catch (error) {
      counts.error(troubles.explains(errand, startedAt), `${what} of ${this.#name}: ${String(error)}`);
      return false;
    }
  }

  async #page(browser: Visitor, page: number): Promise<void> {
    const { counts } = this.#parts;
    await this.#try('page', 'a page', async () => {
      const { status, text, headers } = await browser.fetch(`/page/${page}?bytes=${page % 5 === 0 ? 40_000 : 200}`);
      if (status !== 200) throw new Error(`status ${status} ${text.slice(0, 200)}`);
      if (headers['x-heard'] !== this.#name) counts.wrongIdentities += 1;
      counts.pages += 1;
    });
  }

  async #socket(browser: Visitor): Promise<WebSocket | undefined> {
    const { ground, counts } = this.#parts;
    let socket: WebSocket | undefined;
    await this.#try('connection', 'a WebSocket', async () => {
      const { host, origin } = new URL(ground.gateway.url);
      const headers = { cookie: browser.cookieHeader, origin };
      const opened = new WebSocket(`wss://${host}/live`, { headers, rejectUnauthorized: false });
      opened.on('error', () => undefined);
      const [first] = (await once(opened, 'message', { signal: AbortSignal.timeout(15_000) })) as [Buffer];
      if (String(first) !== this.#name) counts.wrongIdentities += 1;
      counts.sockets += 1;
      socket = opened;
    });
    return socket;
  }

  async #stream(browser: Visitor): Promise<{ destroy(): unknown } | undefined> {
    const { ground, counts } = this.#parts;
    let stream: { destroy(): unknown } | undefined;
    await this.#try('connection', 'an event stream', async () => {
      const options = { headers: { cookie: browser.cookieHeader }, rejectUnauthorized: false, agent: false } as const;
      const asked = https.get(`${ground.gateway.url}/events`, options);
      asked.on('error', () => undefined);
      const [answer] = (await once(asked, 'response', { signal: AbortSignal.timeout(15_000) })) as [IncomingMessage];
      answer.on('error', () => undefined);
      if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
      let rest = '';
      answer.on('data', (part: Buffer) => {
        const events = (rest + String(part)).split('\n\n');
        rest = events.pop() ?? '';
        for (const event of events) if (event !== `data: ${this.#name}`) counts.wrongIdentities += 1;
      });
      counts.streams += 1;
      stream = asked;
    });
    return stream;
  }

  async #abortDownload(browser: Visitor): Promise<void> {
    const { ground, counts } = this.#parts;
    await this.#try('page', 'a download', async () => {
      const options = { headers: { cookie: browser.cookieHeader }, rejectUnauthorized: false, agent: false } as const;
      const asked = https.get(`${ground.gateway.url}/file?bytes=50000000`, options);
      asked.on('error', () => undefined);
      const [answer] = (await once(asked, 'response', { signal: AbortSignal.timeout(15_000) })) as [IncomingMessage];
      answer.on('error', () => undefined);
      if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
      await once(answer, 'data', { signal: AbortSignal.timeout(15_000) });
      asked.destroy();
      counts.aborted += 1;
    });
  }
}
