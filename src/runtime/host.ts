/** A running gateway: services, listeners, the configuration of the moment, its reload and its end. */
import { type Admin, type AdminParts, startAdmin } from '../admin/listener.ts';
import { formatIssues } from '../config/report.ts';
import { OperatorError } from '../core/errors.ts';
import { buildGateway, type Gateway } from '../gateway/build.ts';
import type { Document } from '../gateway/document.ts';
import { closeServices, openServices, type ServiceOptions, type Services } from '../gateway/services.ts';
import { Certificates, prepareCertificates } from '../tls/certificates.ts';
import { PublicServers } from './public-servers.ts';
import type { Reading } from './reading.ts';
import { refuseRestart, tellFailedReload, tellReload } from './reload.ts';

/** What starts a gateway. */
export interface StartOptions extends ServiceOptions {
  readonly document: Document;
  /** Reads the configuration anew, for a reload. */
  readonly read: () => Reading;
}

/** Everything that serves, from the first listener to the last file. */
export class Running {
  readonly #services: Services;
  readonly #servers: PublicServers;
  readonly #read: () => Reading;
  readonly #certificates: Certificates | undefined;
  /** What the listeners were opened with. */
  readonly #started: Document;
  #admin: Admin | undefined;
  #gateway: Gateway;
  #reload: Promise<boolean> = Promise.resolve(true);
  #stopped: Promise<void> | undefined;
  readonly #retired = new Set<Promise<void>>();

  private constructor(
    services: Services,
    gateway: Gateway,
    servers: PublicServers,
    certificates: Certificates | undefined,
    read: () => Reading,
  ) {
    this.#services = services;
    this.#gateway = gateway;
    this.#started = gateway.document;
    this.#servers = servers;
    this.#certificates = certificates;
    this.#read = read;
  }

  /** Starts all or nothing; throws an OperatorError that says what stands in the way. */
  static async start({ document, read, ...options }: StartOptions): Promise<Running> {
    const services = await openServices(document, options);
    let gateway: Gateway | undefined;
    let servers: PublicServers | undefined;
    let certificates: Certificates | undefined;
    try {
      certificates = await openCertificates(document, services);
      gateway = await buildGateway(document, services);
      const { listen, maxHeaderSize, maxConnections, headTimeout, keepAlive } = document.server;
      const limits = { maxHeaderSize, maxConnections, headTimeout, keepAlive };
      const { log } = services;
      servers = await PublicServers.start({ addresses: listen, limits, carrier: gateway, log, certificates });
      const running = new Running(services, gateway, servers, certificates, read);
      running.#admin = await startAdmin(document.admin, running.#adminParts());
      services.audit.record({ event: 'start', outcome: 'succeeded' });
      return running;
    } catch (error) {
      await servers?.drain(0);
      certificates?.close();
      await gateway?.close();
      await closeServices(services);
      throw error;
    }
  }

  /** Where browsers connect. */
  get addresses(): readonly URL[] {
    return this.#servers.addresses;
  }

  get adminAddress(): URL {
    if (!this.#admin) throw new Error('the admin listener has not started');
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
   * Puts a new configuration in place without dropping a request; false when it cannot be used, and the old one goes on.
   * Reloads follow one another.
   */
  reload(): Promise<boolean> {
    this.#reload = this.#reload.then(() => this.#reloadOnce());
    return this.#reload;
  }

  /** Lets requests under way finish, then closes everything. Later calls wait for the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #reloadOnce(): Promise<boolean> {
    const { log, audit } = this.#services;
    if (this.#stopped) return false;
    try {
      const reading = this.#read();
      if (reading.kind === 'invalid')
        throw new OperatorError(`the configuration cannot be used\n${formatIssues(reading.issues)}`);
      refuseRestart(this.#gateway.document, reading.document);
      const prepared = await prepareCertificates(reading.document.server.tls ?? []);
      const next = await buildGateway(reading.document, this.#services);
      const previous = this.#gateway;
      await previous.sessions.flush();
      this.#gateway = next;
      this.#certificates?.use(prepared);
      this.#servers.swap(next);
      log.setLevel(reading.document.log.level);
      audit.reopen();
      this.#retire(previous);
      tellReload(this.#services, this.#started, next.document);
      return true;
    } catch (error) {
      tellFailedReload(this.#services, this.#gateway.document, error);
      return false;
    }
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
    const { log, audit, connections } = this.#services;
    await this.#reload;
    const { drain } = this.#gateway.document.server;
    log.info({ drain }, 'stopping: no new requests are taken, those under way may finish');
    const ended = setTimeout(() => connections.endAll('draining'), drain * 0.9);
    await this.#servers.drain(drain);
    this.#certificates?.close();
    clearTimeout(ended);
    await this.#admin?.close();
    await Promise.all([this.#gateway.close(), ...this.#retired]);
    audit.record({ event: 'stop', outcome: 'succeeded' });
    await closeServices(this.#services);
  }

  #adminParts(): AdminParts {
    const { clock, log, metrics, audit, store, connections } = this.#services;
    return {
      clock,
      log,
      metrics,
      audit,
      store,
      sessions: () => this.#gateway.sessions,
      providers: () => this.#gateway.providers.status(),
      unlock: (username: string) => this.#gateway.unlock(username),
      liveConnections: (session) => connections.count(session),
      isDraining: () => this.#servers.isDraining,
    };
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
