/** One agent at the start of a shift: signs in as a browser does, opens a WebSocket, and polls. Every answer must be their own. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { WebSocket } from 'ws';
import { hiddenFields, Visitor } from '../../test/support/scenes/visitor.ts';

/** What the agents of a shift count together; times in milliseconds. */
export class ShiftCounts {
  readonly logins: { readonly begunAt: number; readonly milliseconds: number; readonly tries: number }[] = [];
  readonly polls: number[] = [];
  readonly handshakes: number[] = [];
  /** Why each login that failed did. */
  readonly failed: string[] = [];
  /** How WebSockets ended that no agent has ended. */
  readonly cut: string[] = [];
  pollErrors = 0;
  socketErrors = 0;
  retries = 0;
  wrongIdentities = 0;
  open = 0;
}

/** What somebody enters on the page of a second factor, by its text. */
export type Proving = (page: string) => Readonly<Record<string, string>>;

/** How agents behave. */
export interface ShiftHabits {
  readonly url: URL;
  readonly dispatcher: Dispatcher;
  readonly counts: ShiftCounts;
  readonly pollMs: number;
  /** How long the login page tries by itself. */
  readonly patienceMs: number;
}

/** An agent. */
export class ShiftAgent {
  readonly #name: string;
  readonly #password: string;
  readonly #prove: Proving | undefined;
  readonly #habits: ShiftHabits;
  readonly #visitor: Visitor;
  #socket: WebSocket | undefined;
  #isOver = false;
  #isCutting = false;

  constructor(
    {
      name,
      password,
      prove,
    }: { readonly name: string; readonly password: string; readonly prove?: Proving | undefined },
    habits: ShiftHabits,
  ) {
    this.#name = name;
    this.#password = password;
    this.#prove = prove;
    this.#habits = habits;
    this.#visitor = new Visitor(habits.url, habits.dispatcher);
  }

  /** Signs in, then works until `leave`. */
  async begin(): Promise<void> {
    const { counts } = this.#habits;
    const begunAt = performance.now();
    const outcome = await this.#signIn(begunAt).catch((error: unknown) => String(error));
    if (typeof outcome === 'string') return void counts.failed.push(outcome);
    counts.logins.push({ begunAt, milliseconds: performance.now() - begunAt, tries: outcome });
    await this.connect();
    void this.#poll();
  }

  leave(): void {
    this.#isOver = true;
    this.#isCutting = true;
    this.#socket?.terminate();
  }

  /** Opens the WebSocket, and waits until it says whose it is. */
  async connect(): Promise<void> {
    const { url, counts } = this.#habits;
    const startedAt = performance.now();
    const headers = { cookie: this.#visitor.cookieHeader, origin: url.origin };
    const socket = new WebSocket(`ws://${url.host}/live`, { headers, perMessageDeflate: false });
    socket
      .on('error', () => undefined)
      .on('close', (code, reason) => {
        counts.open -= 1;
        if (!this.#isCutting && this.#socket === socket) counts.cut.push(`${code} ${String(reason)}`.trim());
      });
    counts.open += 1;
    try {
      const [first] = (await once(socket, 'message', { signal: AbortSignal.timeout(30_000) })) as [Buffer];
      if (String(first) !== this.#name) counts.wrongIdentities += 1;
      counts.handshakes.push(performance.now() - startedAt);
      this.#socket = socket;
    } catch {
      counts.socketErrors += 1;
      socket.terminate();
    }
  }

  /** As after a blink of the network: the connection is gone, and comes back within the jitter. */
  async reconnect(jitterMs: number): Promise<void> {
    if (!this.#socket) return;
    this.#isCutting = true;
    this.#socket.terminate();
    await delay(Math.random() * jitterMs);
    this.#isCutting = false;
    if (!this.#isOver) await this.connect();
  }

  /** How many tries it took; throws what stands in the way. */
  async #signIn(begunAt: number): Promise<number> {
    const { counts, patienceMs } = this.#habits;
    for (let tries = 1; ; tries += 1) {
      const page = await this.#visitor.open('/_gate/login?return=%2Fdesk');
      const fields = { ...hiddenFields(page.text), username: this.#name, password: this.#password };
      const answer = page.status === 200 ? await this.#visitor.post('/_gate/login', fields) : page;
      if (answer.status === 303) {
        if (this.#prove) await this.#takeStep(this.#prove, String(answer.headers.location));
        return tries;
      }
      const wait = Number(answer.headers['retry-after'] ?? Number.NaN);
      if (answer.status !== 503 || Number.isNaN(wait)) throw new Error(`status ${answer.status}`);
      if (performance.now() - begunAt > patienceMs) throw new Error(`not within ${patienceMs / 1000} s`);
      counts.retries += 1;
      await delay(wait * 1000 + Math.random() * 500);
    }
  }

  async #takeStep(prove: Proving, address: string): Promise<void> {
    const page = await this.#visitor.open(address);
    const form = /<form[\s\S]*?<\/form>/.exec(page.text)?.[0] ?? '';
    const answer = await this.#visitor.post('/_gate/factor', { ...hiddenFields(form), ...prove(form) });
    if (answer.headers.location !== '/desk') throw new Error(`a second factor is answered with ${answer.status}`);
  }

  async #poll(): Promise<void> {
    const { counts, pollMs } = this.#habits;
    await delay(Math.random() * pollMs);
    while (!this.#isOver) {
      const startedAt = performance.now();
      try {
        const { status, text } = await this.#visitor.fetch('/desk/state', { headers: { accept: 'application/json' } });
        if (status !== 200) counts.pollErrors += 1;
        else if (text !== this.#name) counts.wrongIdentities += 1;
        counts.polls.push(performance.now() - startedAt);
      } catch {
        counts.pollErrors += 1;
      }
      await delay(Math.max(0, pollMs - (performance.now() - startedAt)));
    }
  }
}
