/**
 * The front of a gateway inside an application: the application's own server takes the requests, and what is admitted goes on
 * to its handlers. Its life is `runtime/host.ts`'s.
 */
import type { Gateway } from '../gateway/build.ts';
import type { ServiceOptions, Services } from '../gateway/services.ts';
import { type Front, Host, type Placing } from '../runtime/host.ts';
import { AppCarrier } from './carrier.ts';
import type { AppDocument } from './document.ts';

/** What an application's requests come through. */
class AppFront implements Front<AppDocument> {
  readonly #services: Services;
  readonly #ending = Promise.withResolvers<void>();
  #gateway: Gateway;
  #carrier: AppCarrier;
  #isDraining = false;

  constructor(gateway: Gateway, services: Services) {
    this.#services = services;
    this.#gateway = gateway;
    this.#carrier = new AppCarrier(gateway, services);
  }

  /** Carries out the verdicts of this moment; whoever has it in hand finishes with it. */
  get carrier(): AppCarrier {
    return this.#carrier;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** A gateway before closes when the last request and the last WebSocket that it has admitted are done, or with everything. */
  async prepare(): Promise<Placing> {
    return {
      put: (gateway) => {
        this.#gateway.hold(Promise.race([this.#carrier.idle(), this.#ending.promise]));
        this.#gateway = gateway;
        this.#carrier = new AppCarrier(gateway, this.#services);
      },
      drop: () => undefined,
    };
  }

  /** The application's server has the requests, and has closed or will: only what lasts is ended. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#services.connections.endAll('draining');
    this.#ending.resolve();
  }
}

/** A gateway inside an application that has started. */
export type AppHost = Host<AppDocument, AppFront>;

/** Starts all or nothing; throws an OperatorError that says what stands in the way. */
export function startInApp(document: AppDocument, options: ServiceOptions): Promise<AppHost> {
  return Host.start({
    ...options,
    document,
    read: () => document,
    // Commands read a configuration of `gatehouse serve`: an application's gateway has a socket where it is told which.
    admin: ({ admin: { socket, ...admin }, hasAdmin }) =>
      hasAdmin ? { ...admin, ...(socket.isNamed && { socket }) } : undefined,
    open: async (gateway, services) => new AppFront(gateway, services),
    locations: { likeExpress: true },
  });
}
