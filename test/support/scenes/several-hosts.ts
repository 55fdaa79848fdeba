/** A site of several hosts, and a browser without a window that finds them all on this machine and keeps the cookies of each. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Agent } from 'undici';
import { type Answer, type Ask, hiddenFields, Visitor } from './visitor.ts';

/** A browser at several hosts of one gateway, whose names lead to this machine. */
export class Browser {
  readonly #visitors = new Map<string, Visitor>();
  readonly #agent: Agent;

  /** Without a port each address is asked at its own; with one the gateway is behind it, whatever port an address names. */
  constructor(t: TestContext, port?: number) {
    this.#agent = new Agent({
      connect: {
        lookup: (_name, options, done) =>
          options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
      },
    });
    const dispatch = this.#agent.dispatch.bind(this.#agent);
    this.#agent.dispatch = (options, handler) => {
      const url = new URL(String(options.origin));
      const host = url.host;
      if (port !== undefined) url.port = String(port);
      return dispatch({ ...options, origin: url.origin, headers: { ...(options.headers as object), host } }, handler);
    };
    t.after(() => this.#agent.destroy());
  }

  /** What it is at one origin; the ports of a host share its cookies. */
  at(origin: string): Visitor {
    const url = new URL(origin);
    const known = this.#visitors.get(url.origin);
    if (known) return known;
    const neighbour = [...this.#visitors.values()].find((one) => new URL(one.origin).hostname === url.hostname);
    const visitor = new Visitor(url, this.#agent, neighbour?.cookies);
    this.#visitors.set(url.origin, visitor);
    return visitor;
  }

  /** Loads a page. */
  open(address: string, ask: Ask = {}): Promise<Answer> {
    const { origin, pathname, search } = new URL(address);
    return this.at(origin).open(pathname + search, ask);
  }

  /** Loads a page, and follows wherever that leads, but not to a stranger; the addresses in their order, and the last answer. */
  async follow(
    address: string,
    stranger?: string,
  ): Promise<{ readonly trail: readonly string[]; readonly answer: Answer }> {
    const trail = [address];
    let answer = await this.open(address);
    while (answer.headers.location !== undefined) {
      assert.ok(trail.length < 25, `goes round: ${trail.join(' → ')}`);
      const next = new URL(String(answer.headers.location), trail.at(-1));
      trail.push(next.href);
      if (next.origin === stranger) break;
      answer = await this.open(next.href);
    }
    return { trail, answer };
  }

  /** Loads a page that leads to the login, fills that in, and follows to the end. */
  async signIn(address: string, username: string, password: string) {
    const { trail, answer } = await this.follow(address);
    const login = new URL(trail.at(-1) ?? '');
    assert.equal(login.pathname, '/_gate/login', trail.join(' → '));
    const sent = await this.at(login.origin).post('/_gate/login', { ...hiddenFields(answer.text), username, password });
    assert.equal(sent.status, 303, sent.text);
    return this.follow(new URL(String(sent.headers.location), login).href);
  }
}
