/**
 * The one life of a gateway, whatever its requests come through: a start that is whole or nothing, other configurations put
 * in its place without dropping a request, its end. What requests come through is a `Front`.
 */
import type { Actor } from '../admin/actor.ts';
import type { ReloadAnswer } from '../admin/app.ts';
import { type Admin, type AdminParts, type AdminWays, startAdmin } from '../admin/listener.ts';
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
  /**
   * Readies what another configuration needs besides its gateway, and changes nothing yet; throws what stands in the way.
   * What it yields puts both in place, and cannot fail.
   */
  prepare(document: D): Promise<(gateway: Gateway) => void>;
  /** True from the moment that no new requests are taken. */
  readonly isDraining: boolean;
  /**
   * Takes no more requests; resolves when those under way have ended, or were cut after `patience` milliseconds: what the
   * configuration gives them when absent.
   */
  drain(patience?: number): Promise<void>;
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
      services.audit.record({ event: 'start', outcome: 'succeeded' });
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

  /** Lets requests under way finish, then closes everything. Later calls wait for the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #reloadOnce(by: Actor, read: () => D): Promise<ReloadAnswer> {
    if (this.#stopped) return { kind: 'failed', message: 'the gateway is stopping' };
    const { document: started, locations } = this.#options;
    const before = this.#gateway;
    let next: Gateway | undefined;
    try {
      const document = read();
      refuseRestart(this.#fixed(this.#document), this.#fixed(document));
      const putInPlace = await this.front.prepare(document);
      next = await buildGateway(document, this.#services, locations);
      await before.sessions.flush();
      putInPlace(next);
      next.putInPlace();
      this.#document = document;
      this.#gateway = next;
    } catch (error) {
      await next?.close();
      return reportFailedReload(this.#services, by, error);
    }
    this.#services.log.setLevel(next.document.log.level);
    this.#services.audit.reopen();
    this.#retire(before);
    return reportReload(this.#services, by, started, next.document);
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
    this.#services.audit.record({ event: 'stop', outcome: 'succeeded' });
    await closeServices(this.#services);
  }

  /** The audit's file where it has one, else what this process remembers. */
  #records(): AsyncIterable<string> | Iterable<string> {
    const { to } = this.#document.audit;
    return to === 'stdout' || to === 'off' ? this.#services.recent.records.newest() : linesFromEnd(to);
  }

  #adminParts(): AdminParts {
    return {
      ...this.#services,
      sessions: () => this.#gateway.sessions,
      providers: () => this.#gateway.providers.status(),
      forgetOffline: (username) => this.#gateway.login.offline.forget(username),
      lockouts: new LockoutOverview(this.#services),
      providerFigures: () => this.#gateway.providers.figures(),
      records: () => this.#records(),
      warnings: () => this.#services.recent.warnings.newest(),
      apiTokens: {
        issue: (request, by) => issueToken(this.#gateway, request, { ...this.#services, by }),
        list: () => this.#gateway.login.apiTokens.list(),
        revoke: (name) => this.#gateway.login.apiTokens.revoke(name),
      },
      liveConnections: (session) => this.#services.connections.count(session),
      isDraining: () => this.front.isDraining,
      reload: (by) => this.reload(by),
    };
  }
}
