/** The front of a gateway of its own: its listeners and its streams, opened, changed and drained together. */
import type { Gateway } from '../gateway/build.ts';
import type { Document } from '../gateway/document.ts';
import type { Services } from '../gateway/services.ts';
import type { Certificates } from '../tls/certificates.ts';
import type { Place } from './front-listeners.ts';
import { StreamServers } from './front-streams.ts';
import type { Front, Placing } from './host.ts';
import { PublicServers, type Sharing } from './public-servers.ts';

/** All that a gateway listens on, but for its operator. */
export class GatewayFront implements Front<Document> {
  readonly #listeners: PublicServers;
  readonly #streams: StreamServers;
  readonly #services: Services;
  #document: Document;
  #stopShowing: (() => void) | undefined;

  private constructor(listeners: PublicServers, streams: StreamServers, services: Services, document: Document) {
    this.#listeners = listeners;
    this.#streams = streams;
    this.#services = services;
    this.#document = document;
    this.#showCertificates();
  }

  /** Listens on every address, or on none: one that fails closes the others and is reported. */
  static async open(gateway: Gateway, services: Services, sharing?: Sharing): Promise<GatewayFront> {
    const { document } = gateway;
    const places = new Map(sharing?.places);
    const streams = new StreamServers({
      services,
      isShared: sharing !== undefined,
      actual: (place) => {
        const actual = places.get(place);
        return actual === undefined ? undefined : new URL(actual);
      },
    });
    const ready = await streams.prepare(document);
    try {
      const listeners = await PublicServers.open(gateway, services, sharing);
      ready.put(0);
      return new GatewayFront(listeners, streams, services, document);
    } catch (error) {
      await ready.drop();
      await streams.drain(0);
      throw error;
    }
  }

  /** Where the listeners really are: a configured port of 0 has become a free one. */
  get addresses(): readonly URL[] {
    return this.#listeners.addresses;
  }

  /** Every address, of streams too, each with what the configuration says of it. */
  get places(): readonly Place[] {
    return [...this.#listeners.places, ...this.#streams.places];
  }

  get isDraining(): boolean {
    return this.#listeners.isDraining;
  }

  async prepare(document: Document): Promise<Placing> {
    const streams = await this.#streams.prepare(document);
    try {
      const listeners = await this.#listeners.prepare(document);
      return {
        put: (gateway) => {
          this.#document = document;
          const placed = listeners.put(gateway);
          streams.put(document.server.drain);
          this.#showCertificates();
          return placed;
        },
        drop: () => {
          listeners.drop();
          void streams.drop();
        },
      };
    } catch (error) {
      await streams.drop();
      throw error;
    }
  }

  /** TLS tickets of the listeners are made with keys of another secret from here on. */
  useTicketSecret(secret: Buffer): void {
    this.#listeners.useTicketSecret(secret);
  }

  async drain(drain = this.#document.server.drain): Promise<void> {
    await Promise.all([this.#listeners.drain(drain), this.#streams.drain(drain)]);
    this.#stopShowing?.();
  }

  /** What the certificates that serve become is shown as a metric. */
  #showCertificates(): void {
    const all: readonly Certificates[] = [...this.#listeners.certificates, ...this.#streams.certificates];
    const { ends } = this.#services.metrics;
    const show = (): void => {
      ends.revocationLists(all.flatMap(({ revocation }) => revocation?.ends() ?? []));
      ends.certificates(
        all.flatMap(({ current }) =>
          current.map(({ label, report }) => ({ certificate: label, at: report.expires.getTime() })),
        ),
      );
    };
    show();
    this.#stopShowing?.();
    const stops = all.map((certificates) => certificates.onChange(show));
    this.#stopShowing = () => {
      for (const stop of stops) stop();
    };
  }
}
