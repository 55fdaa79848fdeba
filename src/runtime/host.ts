/**
 * The one life of a gateway, whatever its requests come through: a start that is whole or nothing, other configurations put
 * in its place without dropping a request, its end. What requests come through is a `Front`.
 */
import type { Actor } from '../admin/actor.ts';
import type { ReloadAnswer } from '../admin/app.ts';
import { type Admin, type AdminParts, type AdminWays, startAdmin } from '../admin/listener.ts';
import { OperatorError } from '../core/errors.ts';
import { passTerms } from '../factors/pass/passes.ts';
import { buildGateway, type Gateway } from '../gateway/build.ts';
import type { Document } from '../gateway/document.ts';
import { closeServices, openServices, type ServiceOptions, type Services } from '../gateway/services.ts';
import { issueToken } from '../gateway/token-issuer.ts';
import type { LocationOptions } from '../routing/locations.ts';
import { linesFromEnd } from '../telemetry/audit-search.ts';
import { LockoutOverview } from '../users/lockout-overview.ts';
import { refuseRestart, reportFailedReload, reportReload } from './reload.ts';

/** What requests come through: listeners of our own, or the handlers of an application. */
export interface Front<D extends Document> {
  /** Readies what another configuration needs besides its gateway, and changes nothing yet; throws what stands in the way. */
  prepare(document: D): Promise<Placing>;
  /** True from the moment that no new requests are taken. */
  readonly isDraining: boolean;
  /**
   * Takes no more requests; resolves when those under way have ended, or were cut after `patience` milliseconds: what the
   * configuration gives them when absent.
   */
  drain(patience?: number): Promise<void>;
}

/** What a front has ready. One of the two is called, once. */
export interface Placing {
  /** Puts it in place, with its gateway; cannot fail. */
  put(gateway: Gateway): Promise<void> | void;
  /** Gives it up: the configuration before goes on. */
  drop(): void;
}

/** Another configuration that could be put in place at any moment. One of the two is called, once. */
export interface PreparedReload {
  take(): Promise<Document>;
  drop(): Promise<void>;
}

/** What starts a gateway. */
interface HostOptions<D extends Document, F extends Front<D>> extends ServiceOptions {
  readonly document: D;
  /** Reads the configuration anew, for a reload; throws an OperatorError that says what is wrong with it. */
  readonly read: () => D;
  /** Undefined where a configuration wants no admin listener. */
  readonly admin: (document: D) => AdminWays | undefined;
  /** Opens the front for the first gateway; what it has opened is closed again when it throws. */
  readonly open: (gateway: Gateway, services: Services) => Promise<F>;
  readonly locations?: LocationOptions;
  /** What operators are shown and told in place of what this process knows alone. */
  readonly machine?: (front: F, own: AdminParts, gateway: () => Gateway) => Partial<AdminParts>;
}

/** A gateway that has started. */
export class Host<D extends Document, F extends Front<D>> {
  readonly front: F;
  readonly #options: HostOptions<D, F>;
  readonly #services: Services;
  #admin: Admin | undefined;
  #document: D;
  #gateway: Gateway;
  #reload: Promise<unknown> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  readonly #retired = new Set<Promise<void>>();

  private constructor(options: HostOptions<D, F>, services: Services, gateway: Gateway, front: F) {
    this.#options = options;
    this.#services = services;
    this.#document = options.document;
    this.#gateway = gateway;
    this.front = front;
  }

  /** Starts all or nothing; throws an OperatorError that says what stands in the way. */
  static async start<D extends Document, F extends Front<D>>(options: HostOptions<D, F>): Promise<Host<D, F>> {
    const { document } = options;
    const services = await openServices(document, options);
    let gateway: Gateway | undefined;
    let front: F | undefined;
    try {
      gateway = await buildGateway(document, services, options.locations);
      front = await options.open(gateway, services);
      gateway.putInPlace();
      const host = new Host(options, services, gateway, front);
      const admin = options.admin(document);
      if (admin) host.#admin = await startAdmin(admin, host.#adminParts());
      host.#record('start');
      return host;
    } catch (error) {
      await front?.drain(0);
      await gateway?.close();
      await closeServices(services);
      throw error;
    }
  }

  get adminAddress(): URL {
    if (!this.#admin) throw new Error('there is no admin listener');
    return this.#admin.address;
  }

  get log(): Services['log'] {
    return this.#services.log;
  }

  get services(): Services {
    return this.#services;
  }

  /** The gateway that answers at this moment. */
  get gateway(): Gateway {
    return this.#gateway;
  }

  /**
   * Puts a new configuration in place without dropping a request; where it cannot be used, the one before goes on. Reloads
   * follow one another. Never throws: the log says why, and so does the result.
   */
  reload(by: Actor, read: () => D = this.#options.read): Promise<ReloadAnswer> {
    const result = this.#reload.then(() => this.#reloadOnce(by, read));
    this.#reload = result;
    return result;
  }

  /** Readies another configuration, and changes nothing yet; throws what stands in the way. */
  async prepareReload(read: () => D): Promise<PreparedReload> {
    if (this.#stopped) throw new OperatorError('the gateway is stopping');
    const document = read();
    refuseRestart(this.#fixed(this.#document), this.#fixed(document));
    const placing = await this.front.prepare(document);
    let next: Gateway | undefined;
    const drop = async (): Promise<void> => {
      placing.drop();
      await next?.close();
    };
    try {
      const made = await buildGateway(document, this.#services, this.#options.locations);
      next = made;
      await this.#gateway.sessions.flush();
      return { take: () => this.#take(made, document, placing), drop };
    } catch (error) {
      await drop();
      throw error;
    }
  }

  /** Lets requests under way finish, then closes everything. Later calls wait for the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #reloadOnce(by: Actor, read: () => D): Promise<ReloadAnswer> {
    if (this.#stopped) return { kind: 'failed', message: 'the gateway is stopping' };
    try {
      const prepared = await this.prepareReload(read);
      return reportReload(this.#services, by, this.#options.document, await prepared.take());
    } catch (error) {
      return reportFailedReload(this.#services, by, error);
    }
  }

  async #take(next: Gateway, document: D, placing: Placing): Promise<Document> {
    const before = this.#gateway;
    const placed = placing.put(next);
    next.putInPlace();
    this.#document = document;
    this.#gateway = next;
    this.#services.log.setLevel(next.document.log.level);
    this.#services.audit.reopen();
    this.#retire(before);
    await placed;
    return next.document;
  }

  #fixed(document: D): { readonly document: D; readonly hasAdmin: boolean } {
    return { document, hasAdmin: this.#options.admin(document) !== undefined };
  }

  /** The gateway before closes when its last request is done. */
  #retire(gateway: Gateway): void {
    const closing = gateway
      .close()
      .catch((error: unknown) =>
        this.#services.log.error({ error }, 'the gateway of the configuration before did not close'),
      );
    this.#retired.add(closing);
    void closing.finally(() => this.#retired.delete(closing));
  }

  async #stop(): Promise<void> {
    await this.#reload;
    await this.front.drain();
    await this.#admin?.close();
    await Promise.all([this.#gateway.close(), ...this.#retired]);
    this.#record('stop');
    await closeServices(this.#services);
  }

  /** What happens to the whole is told once: by the process that leads. */
  #record(event: 'start' | 'stop'): void {
    if (this.#options.part?.worker === undefined) this.#services.audit.record({ event, outcome: 'succeeded' });
  }

  /** The audit's file where it has one, else what this process remembers. */
  #records(): AsyncIterable<string> | Iterable<string> {
    const { to } = this.#document.audit;
    return to === 'stdout' || to === 'off' ? this.#services.recent.records.newest() : linesFromEnd(to);
  }

  #adminParts(): AdminParts {
    const own = this.#ownAdminParts();
    return { ...own, ...this.#options.machine?.(this.front, own, () => this.#gateway) };
  }

  #ownAdminParts(): AdminParts {
    // How many there are is a question for the machine.
    const { workers: _workers, ...services } = this.#services;
    return {
      ...services,
      sessions: () => this.#gateway.sessions,
      providers: () => this.#gateway.providers.status(),
      factorServers: () => this.#gateway.login.factors.standing(),
      namesMeant: (username) => this.#gateway.login.names.meant(username),
      forgetOffline: (username) => this.#gateway.login.offline.forget(username),
      factors: () => this.#gateway.login.desk,
      enrolmentsLost: () => this.#gateway.login.desk.hasLost(),
      passTerms: () => passTerms(this.#gateway.document.factors),
      tellOwner: (account, change) => this.#gateway.login.notices.tell(account, change),
      lockouts: new LockoutOverview(this.#services),
      providerFigures: () => this.#gateway.providers.figures(),
      records: () => this.#records(),
      warnings: () => this.#services.recent.warnings.newest(),
      apiTokens: {
        issue: (request, by) => issueToken(this.#gateway, request, { ...this.#services, by }),
        list: () => this.#gateway.login.apiTokens.list(),
        revoke: (name) => this.#gateway.login.apiTokens.revoke(name),
      },
      liveConnections: (sessions) => sessions.map((id) => this.#services.connections.count(id)),
      isDraining: () => this.front.isDraining,
      reload: (by) => this.reload(by),
    };
  }
}
