/**
 * The front of a gateway of its own: the public listeners with their certificates, what http and https add to an answer,
 * and a drain at the end.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createPublicHealth } from '../admin/health.ts';
import type { Door } from '../edge/door.ts';
import type { LaneExchange } from '../edge/lane/exchange.ts';
import { Listener } from '../edge/listener.ts';
import type { ListenerPlan } from '../edge/listener-plan.ts';
import type { Gateway } from '../gateway/build.ts';
import type { Document } from '../gateway/document.ts';
import type { Services } from '../gateway/services.ts';
import type { Certificates } from '../tls/certificates.ts';
import { makeTicketSecret, ticketKeysOf } from '../tls/ticket-keys.ts';
import { type Place, type Placed, proxiedNetworks, readyListeners, type Standing } from './front-listeners.ts';
import type { Front, Placing } from './host.ts';
import { type AnswerHealth, healthAnswer, isHealth } from './public-health.ts';

/** From this part of the drain on, WebSockets and event streams are ended: they would never end by themselves. */
const endsStreamsAt = 0.9;

/** What listeners share with those of other processes. */
export interface Sharing {
  /** Where to listen, in place of what the configuration says; undefined for the process that finds out. */
  readonly places: readonly Place[] | undefined;
  /** What the keys of TLS tickets are made of. */
  readonly ticketSecret: Buffer;
}

type Limits = Pick<Document['server'], 'maxHeaderSize' | 'maxConnections' | 'headTimeout' | 'keepAlive'>;

/** Every address the gateway listens on. */
export class PublicServers implements Front<Document> {
  readonly #services: Services;
  readonly #limits: Limits;
  readonly #health: ReturnType<typeof createPublicHealth>;
  readonly #isShared: boolean;
  readonly #places: ReadonlyMap<string, string>;
  readonly #retired = new Set<Promise<unknown>>();
  /** Listeners that are no longer the configuration's, and have connections left. */
  readonly #retiring = new Set<Listener>();
  #standing: Standing = { doors: new Map(), placed: new Map() };
  #gateway: Gateway;
  #proxied: ReturnType<typeof proxiedNetworks>;
  #answerHealth: AnswerHealth;
  #ticketSecret: Buffer | undefined;
  #isDraining = false;

  private constructor(gateway: Gateway, services: Services, sharing: Sharing | undefined) {
    const { document } = gateway;
    const { maxHeaderSize, maxConnections, headTimeout, keepAlive } = document.server;
    this.#isShared = sharing !== undefined;
    this.#ticketSecret = sharing?.ticketSecret;
    this.#places = new Map(sharing?.places);
    this.#gateway = gateway;
    this.#proxied = proxiedNetworks(document);
    this.#services = services;
    // The kernel spreads connections evenly: each process takes its part of what the machine may hold.
    const ownConnections = Math.ceil(maxConnections / services.workers);
    this.#limits = { maxHeaderSize, maxConnections: ownConnections, headTimeout, keepAlive };
    this.#health = createPublicHealth({ isDraining: () => this.#isDraining, store: services.store });
    this.#answerHealth = healthAnswer(document, this.#health);
  }

  /** Listens on every address, or on none: one that fails closes the others and is reported. */
  static async open(gateway: Gateway, services: Services, sharing?: Sharing): Promise<PublicServers> {
    const servers = new PublicServers(gateway, services, sharing);
    const ready = await servers.#ready(gateway.document);
    servers.#standing = ready.put();
    return servers;
  }

  /** Where they really listen: a configured port of 0 has become a free one. */
  get addresses(): readonly URL[] {
    return [...this.#standing.doors.values()].map(({ address }) => address);
  }

  /** The same, each with what the configuration says of it. */
  get places(): readonly Place[] {
    return [...this.#standing.doors].map(([place, { address }]) => [place, String(address)]);
  }

  /** Certificates that serve. */
  get certificates(): readonly Certificates[] {
    return [...this.#standing.placed.values()].flatMap(({ certificates }) => certificates ?? []);
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /**
   * Requests that arrive after the swap meet the other gateway, its listeners and certificates; those under way finish on theirs.
   * New addresses are open before: who comes early waits for the swap.
   */
  async prepare(document: Document): Promise<Placing> {
    const ready = await this.#ready(document);
    const proxied = proxiedNetworks(document);
    const answerHealth = healthAnswer(document, this.#health);
    return {
      put: (gateway) => {
        const before = this.#standing;
        this.#proxied = proxied;
        this.#answerHealth = answerHealth;
        this.#gateway = gateway;
        this.#standing = ready.put();
        this.#retire(before);
      },
      drop: () => void ready.drop(),
    };
  }

  /** TLS tickets are made with keys of another secret from here on. */
  useTicketSecret(secret: Buffer): void {
    this.#ticketSecret = secret;
    for (const listener of listenersOf(this.#standing)) listener.renewTicketKeys();
  }

  /** Takes no more connections, lets requests under way finish, `server.drain` when absent, then cuts what is left. */
  async drain(drain = this.#gateway.document.server.drain): Promise<void> {
    const { log, connections } = this.#services;
    log.info({ drain }, 'stopping: no new requests are taken, those under way may finish');
    const ending = setTimeout(() => connections.endAll('draining'), drain * endsStreamsAt);
    this.#isDraining = true;
    for (const listener of this.#retiring) void listener.close();
    await this.#close(this.#standing, drain);
    await Promise.all(this.#retired);
    clearTimeout(ending);
  }

  #ready(document: Document) {
    const { clock, log } = this.#services;
    return readyListeners(document, this.#standing, {
      ...{ clock, log, limits: this.#limits, isShared: this.#isShared },
      actual: (place) => {
        const actual = this.#places.get(place);
        return actual === undefined ? undefined : new URL(actual);
      },
      mustTell: (place, peer) => this.#proxied.get(place)?.(peer) === true,
      make: (...made) => this.#make(...made),
    });
  }

  /** Ends what the standing of before has and this one has not; what is under way there may finish. */
  #retire(before: Standing): void {
    const { doors, placed } = this.#standing;
    const listeners = listenersOf(this.#standing);
    const gone: Standing = {
      doors: new Map([...before.doors].filter(([place, door]) => doors.get(place) !== door)),
      placed: new Map(
        [...before.placed].map(([name, one]) => {
          const at = new Map([...one.at].filter(([, listener]) => !listeners.has(listener)));
          const { certificates } = one;
          const isKept = certificates !== undefined && placed.get(name)?.certificates === certificates;
          return [name, { ...one, at, certificates: isKept ? undefined : certificates }];
        }),
      ),
    };
    const retiring = listenersOf(gone);
    for (const listener of retiring) this.#retiring.add(listener);
    const closed = this.#close(gone, this.#gateway.document.server.drain, 'retire');
    this.#retired.add(closed);
    void closed.finally(() => {
      this.#retired.delete(closed);
      for (const listener of retiring) this.#retiring.delete(listener);
    });
  }

  async #close({ doors, placed }: Standing, milliseconds: number, how: 'close' | 'retire' = 'close'): Promise<void> {
    const listeners = [...listenersOf({ doors, placed })];
    const closing = [
      ...[...doors.values()].map((door) => door.close()),
      ...listeners.map((listener) => listener[how]()),
    ];
    const cut = setTimeout(() => {
      for (const listener of listeners) listener.cut();
      for (const door of doors.values()) door.cut();
    }, milliseconds);
    await Promise.all(closing);
    clearTimeout(cut);
    for (const { certificates } of placed.values()) certificates?.close();
  }

  #make(plan: ListenerPlan, address: URL, certificates: Certificates | undefined, door: Door): Listener {
    const { name } = plan;
    const isPlain = address.protocol === 'http:';
    const redirects = (): boolean => isPlain && this.#standing.placed.get(name)?.plan.redirectHttp === true;
    return new Listener({
      ...{ name, address, certificates, limits: this.#limits, log: this.#services.log, clients: plan.clients },
      ...(this.#isShared && { ticketKeys: () => this.#ticketKeys(name, certificates) }),
      onRequest: (peer) => door.noteRequest(peer),
      show: (socket) => door.show(socket),
      takesUpgrade: (target) => !redirects() && this.#gateway.takesUpgrade(target),
      hasLane: () => this.#gateway.lane !== undefined,
      take: (exchange) => !redirects() && this.#takeOnLane(exchange),
      serve: (request, response) => this.#serve(request, response, { isPlain, redirects: redirects() }),
      upgrade: (request, socket, head) => this.#gateway.upgrade(request, socket, head),
    });
  }

  #ticketKeys(listener: string, certificates: Certificates | undefined): Buffer {
    return ticketKeysOf(this.#ticketSecret ?? makeTicketSecret(), `${listener} ${certificates?.mark ?? ''}`);
  }

  #takeOnLane(exchange: LaneExchange): boolean {
    const { lane, document } = this.#gateway;
    if (!lane || this.#isDraining) return false;
    if (isHealth(exchange.head.target, document.server)) return false;
    lane(exchange);
    return true;
  }

  #serve(
    request: IncomingMessage,
    response: ServerResponse,
    { isPlain, redirects }: { readonly isPlain: boolean; readonly redirects: boolean },
  ): void {
    if (this.#isDraining) response.setHeader('connection', 'close');
    if (this.#answerHealth(request, response)) return;
    const { redirect, hsts } = this.#gateway;
    if (redirects && redirect) return void redirect(request, response);
    // RFC 6797 §7.2: never over plain http. An upstream's own takes its place when its headers are written.
    if (!isPlain && hsts !== undefined) response.setHeader('strict-transport-security', hsts);
    this.#gateway.http(request, response);
  }
}

function listenersOf({ placed }: Standing): Set<Listener> {
  return new Set([...placed.values()].flatMap(({ at }: Placed) => [...at.values()]));
}
