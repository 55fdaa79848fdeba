/** The life of a gateway inside an application: its start, other configurations put in its place, its end. */
import { type Admin, type AdminParts, startAdmin } from '../admin/listener.ts';
import { GatewayError } from '../core/errors.ts';
import { buildGateway, type Gateway } from '../gateway/build.ts';
import { closeServices, openServices, type ServiceOptions, type Services } from '../gateway/services.ts';
import { refuseRestart, tellFailedReload, tellReload } from '../runtime/reload.ts';
import { AppCarrier } from './carrier.ts';
import type { AppDocument } from './document.ts';

/** A gateway of one configuration, and what carries its verdicts out. */
interface Generation {
  readonly document: AppDocument;
  readonly gateway: Gateway;
  readonly carrier: AppCarrier;
}

/** A gateway that has started. */
export class AppLife {
  readonly #services: Services;
  readonly #started: AppDocument;
  readonly #ending = Promise.withResolvers<void>();
  readonly #retired = new Set<Promise<void>>();
  #admin: Admin | undefined;
  #present: Generation;
  #reload: Promise<boolean> = Promise.resolve(true);
  #stopped: Promise<void> | undefined;

  private constructor(services: Services, first: Generation) {
    this.#services = services;
    this.#started = first.document;
    this.#present = first;
  }

  /** Starts all or nothing; throws an OperatorError that says what stands in the way. */
  static async start(document: AppDocument, options: ServiceOptions): Promise<AppLife> {
    const services = await openServices(document, options);
    let first: Generation | undefined;
    try {
      first = await generationOf(document, services);
      const life = new AppLife(services, first);
      if (document.hasAdmin) life.#admin = await startAdmin(document.admin, life.#adminParts());
      services.audit.record({ event: 'start', outcome: 'succeeded' });
      return life;
    } catch (error) {
      await first?.gateway.close();
      await closeServices(services);
      throw error;
    }
  }

  /** Carries out the verdicts of this moment; whoever has it in hand finishes with it. */
  get carrier(): AppCarrier {
    if (this.#stopped) throw new GatewayError('UNAVAILABLE', 'the gateway of this application has been closed');
    return this.#present.carrier;
  }

  /**
   * Puts another configuration in place without dropping a request; false when it cannot be used, and the one before goes on.
   * Reloads follow one another. Never throws: the log says why.
   */
  reload(read: () => AppDocument): Promise<boolean> {
    this.#reload = this.#reload.then(() => this.#reloadOnce(read));
    return this.#reload;
  }

  /** Ends what is open; later calls wait for the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #reloadOnce(read: () => AppDocument): Promise<boolean> {
    const { log, audit } = this.#services;
    if (this.#stopped) return false;
    const before = this.#present;
    try {
      const document = read();
      refuseRestart(before.document, document, before.document.hasAdmin === document.hasAdmin ? [] : ['admin']);
      const next = await generationOf(document, this.#services);
      await before.gateway.sessions.flush();
      this.#present = next;
      log.setLevel(document.log.level);
      audit.reopen();
      this.#retire(before);
      tellReload(this.#services, this.#started, document);
      return true;
    } catch (error) {
      tellFailedReload(this.#services, before.document, error);
      return false;
    }
  }

  /** The gateway before closes when its last request and its last WebSocket are done, or with everything. */
  #retire({ gateway, carrier }: Generation): void {
    gateway.hold(Promise.race([carrier.idle(), this.#ending.promise]));
    const closing = gateway
      .close()
      .catch((error: unknown) =>
        this.#services.log.error({ error }, 'the gateway of the configuration before did not close'),
      );
    this.#retired.add(closing);
    void closing.finally(() => this.#retired.delete(closing));
  }

  async #stop(): Promise<void> {
    const { audit, connections } = this.#services;
    await this.#reload;
    connections.endAll('draining');
    this.#ending.resolve();
    await this.#admin?.close();
    await Promise.all([this.#present.gateway.close(), ...this.#retired]);
    audit.record({ event: 'stop', outcome: 'succeeded' });
    await closeServices(this.#services);
  }

  #adminParts(): AdminParts {
    return {
      ...this.#services,
      sessions: () => this.#present.gateway.sessions,
      providers: () => this.#present.gateway.providers.status(),
      unlock: (username) => this.#present.gateway.unlock(username),
      liveConnections: (session) => this.#services.connections.count(session),
      isDraining: () => false,
    };
  }
}

async function generationOf(document: AppDocument, services: Services): Promise<Generation> {
  const gateway = await buildGateway(document, services, { likeExpress: true });
  return { document, gateway, carrier: new AppCarrier(gateway, services) };
}
