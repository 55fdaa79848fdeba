/**
 * The front of a gateway of its own: the public listeners with their certificates, what http and https add to an answer,
 * and a drain at the end.
 */
import { createPublicHealth } from '../admin/health.ts';
import { networks } from '../config/values.ts';
import { Listener } from '../edge/listener.ts';
import type { Gateway } from '../gateway/build.ts';
import type { Document } from '../gateway/document.ts';
import type { Services } from '../gateway/services.ts';
import { Certificates, prepareCertificates } from '../tls/certificates.ts';
import { makeTicketSecret, ticketKeysOf } from '../tls/ticket-keys.ts';
import type { Front, Placing } from './host.ts';
import { type AnswerHealth, healthAnswer } from './public-health.ts';

/** From this part of the drain on, WebSockets and event streams are ended: they would never end by themselves. */
const endsStreamsAt = 0.9;

/** What listeners share with those of other processes. */
interface Sharing {
  /** Where to listen, in place of what the configuration says: its ports of 0 have become free ones. */
  readonly addresses: readonly URL[] | undefined;
  /** What the keys of TLS tickets are made of. */
  readonly ticketSecret: Buffer;
}

/** Every address the gateway listens on. */
export class PublicServers implements Front<Document> {
  readonly #listeners: Listener[] = [];
  readonly #services: Services;
  readonly #certificates: Certificates | undefined;
  #gateway: Gateway;
  #mustTell: (address: string) => boolean;
  #answerHealth: AnswerHealth;
  readonly #health: ReturnType<typeof createPublicHealth>;
  readonly #isShared: boolean;
  #ticketSecret: Buffer | undefined;
  #isDraining = false;

  private constructor(
    gateway: Gateway,
    services: Services,
    certificates: Certificates | undefined,
    sharing: Sharing | undefined,
  ) {
    this.#isShared = sharing !== undefined;
    this.#ticketSecret = sharing?.ticketSecret;
    this.#gateway = gateway;
    this.#mustTell = networks(gateway.document.server.proxyProtocol);
    this.#services = services;
    this.#health = createPublicHealth({ isDraining: () => this.#isDraining, store: services.store });
    this.#answerHealth = healthAnswer(gateway.document, this.#health);
    this.#certificates = certificates;
  }

  /** Listens on every address, or on none: one that fails closes the others and is reported. */
  static async open(gateway: Gateway, services: Services, sharing?: Sharing): Promise<PublicServers> {
    const certificates = await openCertificates(gateway.document, services);
    const servers = new PublicServers(gateway, services, certificates, sharing);
    try {
      for (const address of sharing?.addresses ?? gateway.document.server.listen) await servers.#listen(address);
    } catch (error) {
      await servers.#close(0);
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

  /** Requests that arrive after the swap meet the other gateway and its certificates; those under way finish on theirs. */
  async prepare(document: Document): Promise<Placing> {
    const { server } = document;
    const prepared = await prepareCertificates(server.tls ?? []);
    const mustTell = networks(server.proxyProtocol);
    const answerHealth = healthAnswer(document, this.#health);
    return {
      put: (gateway) => {
        this.#mustTell = mustTell;
        this.#answerHealth = answerHealth;
        this.#certificates?.use(prepared);
        this.#gateway = gateway;
      },
      drop: () => undefined,
    };
  }

  /** TLS tickets are made with keys of another secret from here on. */
  useTicketSecret(secret: Buffer): void {
    this.#ticketSecret = secret;
    for (const listener of this.#listeners) listener.renewTicketKeys();
  }

  #ticketKeys(): Buffer {
    return ticketKeysOf(this.#ticketSecret ?? makeTicketSecret(), this.#certificates?.mark ?? '');
  }

  /** Takes no more connections, lets requests under way finish, `server.drain` when absent, then cuts what is left. */
  async drain(drain = this.#gateway.document.server.drain): Promise<void> {
    const { log, connections } = this.#services;
    log.info({ drain }, 'stopping: no new requests are taken, those under way may finish');
    const ending = setTimeout(() => connections.endAll('draining'), drain * endsStreamsAt);
    await this.#close(drain);
    clearTimeout(ending);
  }

  async #close(milliseconds: number): Promise<void> {
    this.#isDraining = true;
    const closed = Promise.all(this.#listeners.map((listener) => listener.close()));
    const cut = setTimeout(() => {
      for (const listener of this.#listeners) listener.cut();
    }, milliseconds);
    await closed;
    clearTimeout(cut);
    this.#certificates?.close();
  }

  async #listen(address: URL): Promise<void> {
    const isPlain = address.protocol === 'http:';
    const { maxHeaderSize, maxConnections, headTimeout, keepAlive } = this.#gateway.document.server;
    // The kernel spreads connections evenly: each process takes its part of what the machine may hold.
    const ownConnections = Math.ceil(maxConnections / this.#services.workers);
    const listener = await Listener.open({
      address,
      reusePort: this.#isShared,
      ...(this.#isShared && { ticketKeys: () => this.#ticketKeys() }),
      limits: { maxHeaderSize, maxConnections: ownConnections, headTimeout, keepAlive },
      log: this.#services.log,
      certificates: this.#certificates,
      mustTell: (peer) => this.#mustTell(peer),
      takesUpgrade: (target) => !(isPlain && this.#gateway.redirect) && this.#gateway.takesUpgrade(target),
      hasLane: () => this.#gateway.lane !== undefined,
      take: (exchange) => {
        const { lane, redirect, document } = this.#gateway;
        if (!lane || this.#isDraining || (isPlain && redirect)) return false;
        if (exchange.head.target.split('?', 1)[0] === document.server.health) return false;
        lane(exchange);
        return true;
      },
      serve: (request, response) => {
        if (this.#isDraining) response.setHeader('connection', 'close');
        if (this.#answerHealth(request, response)) return;
        const { redirect, hsts } = this.#gateway;
        if (isPlain && redirect) return redirect(request, response);
        // RFC 6797 §7.2: never over plain http. An upstream's own takes its place when its headers are written.
        if (!isPlain && hsts !== undefined) response.setHeader('strict-transport-security', hsts);
        this.#gateway.http(request, response);
      },
      upgrade: (request, socket, head) => this.#gateway.upgrade(request, socket, head),
    });
    this.#listeners.push(listener);
  }
}

/** The certificates of the https listeners; undefined where there is none. What they become is shown as a metric. */
async function openCertificates({ server }: Document, services: Services): Promise<Certificates | undefined> {
  if (!server.tls) return undefined;
  const certificates = await Certificates.open(server.tls, services);
  const show = (): void =>
    services.metrics.certificates(
      certificates.current.map(({ label, report }) => ({ certificate: label, at: report.expires.getTime() })),
    );
  show();
  certificates.onChange(show);
  return certificates;
}
