/**
 * The streams of a gateway: their addresses, opened beside those that serve and put in place at once, as the listeners are
 * (`front-listeners.ts`). A stream that stays keeps its connections, by the terms of the new configuration.
 */
import { networks } from '../config/values.ts';
import type { Door } from '../edge/door.ts';
import { placeOf } from '../edge/listener-plan.ts';
import type { Services } from '../gateway/services.ts';
import { type PeerTable, tableOf } from '../peers/table.ts';
import { admitBy } from '../streams/admission.ts';
import type { StreamOptions } from '../streams/options.ts';
import { Stream, type StreamTerms } from '../streams/stream.ts';
import { type StreamsDocument, streamAddresses } from '../streams/stream-addresses.ts';
import { TlsFront } from '../streams/tls-front.ts';
import { upstreamOf } from '../streams/upstream-of.ts';
import { Certificates } from '../tls/certificates.ts';
import { type PreparedCertificates, prepareCertificates } from '../tls/prepared-certificates.ts';
import type { Place } from './front-listeners.ts';
import { openDoors } from './stream-doors.ts';

/** How often dates are looked at, which nobody tells of; in milliseconds. */
const reviewEvery = 1000;

interface StreamServersParts {
  readonly services: Services;
  readonly isShared: boolean;
  /** Where to listen, in place of a configured address: its port of 0 has become a free one. */
  readonly actual: (place: string) => URL | undefined;
}

/** One stream with what its handshakes are made by. */
interface Placed {
  readonly stream: Stream;
  readonly certificates: Certificates | undefined;
  readonly tls: TlsFront | undefined;
  /** Tells apart handshakes that cannot go on by the same server. */
  readonly shape: string;
}

interface Standing {
  readonly doors: ReadonlyMap<string, Door>;
  readonly placed: ReadonlyMap<string, Placed>;
  readonly document: StreamsDocument;
}

/** What is ready to serve. One of the two is called, once. */
interface ReadyStreams {
  /** Takes `patience` milliseconds at most for what is gone. */
  put(patience: number): void;
  drop(): Promise<void>;
}

/** The streams that are open. */
export class StreamServers {
  readonly #parts: StreamServersParts;
  readonly #retired = new Set<Promise<void>>();
  readonly #review: NodeJS.Timeout;
  #standing: Standing = {
    doors: new Map(),
    placed: new Map(),
    document: { streams: {}, services: {}, peers: {} },
  };
  #isDraining = false;

  constructor(parts: StreamServersParts) {
    this.#parts = parts;
    parts.services.metrics.streams.readOpenBy(
      () => new Map([...this.#standing.placed].map(([name, { stream }]) => [name, stream.open])),
    );
    this.#review = setInterval(() => this.#reviewAll(), reviewEvery).unref();
  }

  /** Where they really are, each with what the configuration says of it. */
  get places(): readonly Place[] {
    return [...this.#standing.doors].map(([place, { address }]) => [place, String(address)]);
  }

  /** Certificates whose ends are shown. */
  get certificates(): readonly Certificates[] {
    return [...this.#standing.placed.values()].flatMap(({ certificates }) => certificates ?? []);
  }

  /** Readies a configuration; throws what stands in the way, and leaves nothing open. Who comes early waits until it is put in place. */
  async prepare(document: StreamsDocument): Promise<ReadyStreams> {
    const entries = Object.entries(document.streams);
    const { clock, log } = this.#parts.services;
    const read = new Map<string, PreparedCertificates>();
    for (const [name, { tls, clientCertificates }] of entries) {
      const asked = clientCertificates.ask === 'never' ? undefined : clientCertificates;
      const lists = this.#standing.placed.get(name)?.certificates?.revocation?.current;
      if (tls) read.set(name, await prepareCertificates(tls, asked, lists));
    }
    const upstreams = new Map(entries.map(([name, one]) => [name, upstreamOf(one, { clock, log })]));
    const opened = await openDoors(document, {
      ...{ log, isShared: this.#parts.isShared, actual: this.#parts.actual, open: this.#standing.doors },
      share: (count) => this.#share(count),
      // Asked at each connection, so that a reload counts.
      standing: () => this.#standing.document,
    });
    return {
      put: (patience) => this.#put(document, { read, upstreams, opened }, patience),
      drop: async () => void (await Promise.all([...opened.values()].map((door) => door.close()))),
    };
  }

  /** Takes no more connections, and cuts after `patience` milliseconds what has not ended by itself. */
  async drain(patience: number): Promise<void> {
    this.#isDraining = true;
    clearInterval(this.#review);
    const { doors, placed } = this.#standing;
    await Promise.all([this.#close(doors.values(), placed.values(), patience), ...this.#retired]);
  }

  #reviewAll(): void {
    if (this.#isDraining) return;
    for (const { stream } of this.#standing.placed.values()) stream.review();
  }

  #put(
    document: StreamsDocument,
    ready: {
      readonly read: ReadonlyMap<string, PreparedCertificates>;
      readonly upstreams: ReadonlyMap<string, StreamTerms['upstream']>;
      readonly opened: ReadonlyMap<string, Door>;
    },
    patience: number,
  ): void {
    const before = this.#standing;
    const addresses = streamAddresses(document);
    const table = tableOf(document);
    const doors = new Map(
      addresses.flatMap(({ address }): [string, Door][] => {
        const place = placeOf(address);
        const door = ready.opened.get(place) ?? before.doors.get(place);
        return door ? [[place, door]] : [];
      }),
    );
    const placed = new Map(
      Object.entries(document.streams).flatMap(([name, options]): [string, Placed][] => {
        const upstream = ready.upstreams.get(name);
        return upstream ? [[name, this.#place(name, options, { upstream, table, read: ready.read.get(name) })]] : [];
      }),
    );
    this.#standing = { doors, placed, document };
    for (const { address, names } of addresses)
      doors.get(placeOf(address))?.serve(
        names.flatMap((name) => {
          const one = placed.get(name);
          return one ? [{ listener: one.stream, hosts: document.streams[name]?.hosts ?? [] }] : [];
        }),
      );
    const gone = [...before.placed].filter(([name]) => !placed.has(name)).map(([, one]) => one);
    const closed = [...before.doors].filter(([place]) => !doors.has(place)).map(([, door]) => door);
    const retired = this.#close(closed, gone, patience);
    this.#retired.add(retired);
    void retired.finally(() => this.#retired.delete(retired));
  }

  /** A stream that stays takes what was read anew. */
  #place(
    name: string,
    options: StreamOptions,
    {
      upstream,
      read,
      table,
    }: {
      readonly upstream: StreamTerms['upstream'];
      readonly read: PreparedCertificates | undefined;
      readonly table: PeerTable;
    },
  ): Placed {
    const { services } = this.#parts;
    const { log, clock, audit, metrics } = services;
    const { limits, networks: from, clientCertificates: asked, tls: sources } = options;
    const own = this.#standing.placed.get(name);
    const shape = JSON.stringify([sources?.[0]?.minVersion, asked.ask, limits.handshake]);
    const kept = read && own?.tls && own.shape === shape ? own : undefined;
    // The same, also for other handshakes: who came by those of before is judged by them on.
    if (read) own?.certificates?.use(read);
    else own?.certificates?.close();
    const certificates = read && (own?.certificates ?? Certificates.of(read, { clock, log }));
    const tls =
      kept?.tls ??
      (certificates && new TlsFront({ ...{ name, certificates, log }, ask: asked.ask, timeout: limits.handshake }));
    const terms: StreamTerms = {
      bounds: {
        connections: this.#share(limits.connections),
        perPeer: this.#share(limits.perPeer),
        perAddress: this.#share(limits.perAddress),
      },
      ...{ limits, tls, upstream },
      isInNetwork: from ? networks(from) : () => true,
      admit: admitBy({ clock, table, service: options.service, isRequired: asked.ask === 'required' }),
    };
    own?.stream.use(terms);
    const stream =
      own?.stream ??
      new Stream(
        {
          ...{ name, log },
          record: (record) => {
            metrics.streams.ended(record);
            audit.record(record);
          },
          onAdmitted: (transport) => {
            for (const door of this.#standing.doors.values()) door.noteRequest(transport);
          },
        },
        terms,
      );
    return { stream, certificates, tls, shape };
  }

  /** Each process takes its part of what the machine may hold: the kernel spreads connections evenly. */
  #share(count: number): number {
    return Math.ceil(count / this.#parts.services.workers);
  }

  async #close(doors: Iterable<Door>, placed: Iterable<Placed>, patience: number): Promise<void> {
    const streams = [...placed];
    const closing = [...[...doors].map((door) => door.close()), ...streams.map(({ stream }) => stream.close())];
    const cut = setTimeout(() => {
      for (const { stream } of streams) stream.cut('draining');
      for (const door of doors) door.cut();
    }, patience);
    await Promise.all(closing);
    clearTimeout(cut);
    for (const { certificates } of streams) certificates?.close();
  }
}
