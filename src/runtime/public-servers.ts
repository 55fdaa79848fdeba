/** The public listeners: the gateway of the moment behind them, what http and https add to an answer, and a drain at the end. */
import type { Log } from '../core/log.ts';
import { Listener, type ServerLimits } from '../edge/listener.ts';
import type { Carrier } from '../gateway/carriers/carrier.ts';
import type { Certificates } from '../tls/certificates.ts';

export type { ServerLimits } from '../edge/listener.ts';

/** What the listeners are made of. */
export interface PublicServersParts {
  readonly addresses: readonly URL[];
  readonly limits: ServerLimits;
  readonly carrier: Carrier;
  readonly log: Log;
  /** With an https address. */
  readonly certificates?: Certificates | undefined;
}

/** Every address the gateway listens on. */
export class PublicServers {
  readonly #listeners: Listener[] = [];
  #carrier: Carrier;
  #isDraining = false;

  private constructor(carrier: Carrier) {
    this.#carrier = carrier;
  }

  /** Listens on every address, or on none: one that fails closes the others and is reported. */
  static async start(parts: PublicServersParts): Promise<PublicServers> {
    const servers = new PublicServers(parts.carrier);
    try {
      for (const address of parts.addresses) await servers.#listen(address, parts);
    } catch (error) {
      await servers.drain(0);
      throw error;
    }
    return servers;
  }

  /** Where they really listen: a configured port of 0 has become a free one. */
  get addresses(): readonly URL[] {
    return this.#listeners.map(({ address }) => address);
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Requests that arrive from here on meet another gateway; those under way finish on theirs. */
  swap(carrier: Carrier): void {
    this.#carrier = carrier;
  }

  /** Takes no more connections, lets requests under way finish for at most `milliseconds`, then cuts what is left. */
  async drain(milliseconds: number): Promise<void> {
    this.#isDraining = true;
    const closed = Promise.all(this.#listeners.map((listener) => listener.close()));
    const cut = setTimeout(() => {
      for (const listener of this.#listeners) listener.cut();
    }, milliseconds);
    await closed;
    clearTimeout(cut);
  }

  async #listen(address: URL, { limits, log, certificates }: PublicServersParts): Promise<void> {
    const isPlain = address.protocol === 'http:';
    const listener = await Listener.open({
      address,
      limits,
      log,
      certificates,
      takesUpgrade: (target) => !(isPlain && this.#carrier.redirect) && this.#carrier.takesUpgrade(target),
      serve: (request, response) => {
        if (this.#isDraining) response.setHeader('connection', 'close');
        const { redirect, hsts } = this.#carrier;
        if (isPlain && redirect) return redirect(request, response);
        // RFC 6797 §7.2: never over plain http. An upstream's own takes its place when its headers are written.
        if (!isPlain && hsts !== undefined) response.setHeader('strict-transport-security', hsts);
        this.#carrier.http(request, response);
      },
      upgrade: (request, socket, head) => this.#carrier.upgrade(request, socket, head),
    });
    this.#listeners.push(listener);
  }
}
