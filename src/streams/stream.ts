/**
 * One stream: takes connections from its addresses, lets in who may come, connects them to a server and relays until the end, of
 * which the audit is told. The order is fixed: network, limits, TLS, admission, server; no byte goes up before admission.
 */
import type { Socket } from 'node:net';
import { plainAddress } from '../core/address.ts';
import { Failure } from '../core/failure.ts';
import type { Log } from '../core/log.ts';
import type { Arrival } from '../core/peer.ts';
import type { Reason } from '../core/reason.ts';
import type { StreamEndRecord } from '../telemetry/stream-figures.ts';
import { type StreamBounds, StreamLimits, type StreamPlace } from './limits.ts';
import { Relay, type RelayLimits, reset, type StreamEnd } from './relay.ts';
import type { TlsFront } from './tls-front.ts';
import type { StreamUpstream } from './upstream.ts';

/** Whether somebody may come in. */
type StreamAdmission = { readonly peer?: string; readonly service?: string } & (
  | { readonly kind: 'admitted' }
  | { readonly kind: 'refused'; readonly reason: Reason; readonly detail: string }
);

/** What a configuration makes of a stream; another can take its place while connections are open. */
export interface StreamTerms {
  readonly bounds: StreamBounds;
  readonly limits: RelayLimits;
  /** Absent: what comes goes on as it is. */
  readonly tls: TlsFront | undefined;
  readonly isInNetwork: (address: string) => boolean;
  readonly admit: (arrival: Arrival | undefined) => StreamAdmission;
  readonly upstream: StreamUpstream;
}

interface StreamParts {
  readonly name: string;
  readonly log: Log;
  readonly record: (record: StreamEndRecord) => void;
  /** Told of a connection that has been let in. */
  readonly onAdmitted: (transport: Socket) => void;
}

/** What is known of a connection. */
interface Visit {
  readonly address: string;
  readonly startedAt: number;
  arrival?: Arrival | undefined;
  admission?: StreamAdmission;
  /** Ends it at once. */
  cut(reason: Reason): void;
}

const crowdedEvery = 60_000;

/** A stream that is open. */
export class Stream {
  readonly #parts: StreamParts;
  readonly #places: StreamLimits;
  readonly #visits = new Set<Visit>();
  #terms: StreamTerms;
  #closed: PromiseWithResolvers<void> | undefined;
  #crowdedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: StreamParts, terms: StreamTerms) {
    this.#parts = parts;
    this.#terms = terms;
    this.#places = new StreamLimits(terms.bounds);
  }

  /** How many connections are open. */
  get open(): number {
    return this.#visits.size;
  }

  /** Goes on by other terms: who is connected stays, unless they would not be let in any more. */
  use(terms: StreamTerms): void {
    if (this.#terms.tls !== terms.tls) this.#terms.tls?.close();
    this.#terms = terms;
    this.#places.bounds = terms.bounds;
    this.#reviewAll(() => true);
  }

  /** Serves a connection that has come for it; never throws. */
  take(transport: Socket): void {
    transport.on('error', ignore);
    void this.#serve(transport).catch((error: unknown) => {
      this.#parts.log.error({ stream: this.#parts.name, error }, 'a stream broke');
      transport.destroy();
    });
  }

  /** Nothing of it is ever idle: a quiet stream may speak again. */
  closeIdle(): void {}

  /** Judges those again that have shown a certificate, whose time may be over, and ends what would not be let in any more. */
  review(): void {
    this.#reviewAll((visit) => visit.arrival?.certificate !== undefined);
  }

  /** Takes no more; resolves when the last has ended, by itself or by `cut`. */
  close(): Promise<void> {
    this.#closed ??= Promise.withResolvers();
    if (this.#visits.size === 0) this.#whenEmpty();
    return this.#closed.promise.then(() => this.#terms.tls?.close());
  }

  /** Ends what is open. */
  cut(reason: Reason): void {
    for (const visit of [...this.#visits]) visit.cut(reason);
  }

  #reviewAll(isMeant: (visit: Visit) => boolean): void {
    for (const visit of [...this.#visits].filter(isMeant)) {
      const fault = this.#fault(visit);
      if (fault) visit.cut(fault);
    }
  }

  #whenEmpty(): void {
    this.#closed?.resolve();
  }

  #fault({ address, arrival, admission }: Visit): Reason | undefined {
    if (!this.#terms.isInNetwork(address)) return 'network-not-admitted';
    // One that has not been judged yet will be.
    if (!admission) return undefined;
    const again = this.#terms.admit(arrival);
    return again.kind === 'refused' ? again.reason : undefined;
  }

  async #serve(transport: Socket): Promise<void> {
    const address = plainAddress(transport.remoteAddress ?? '');
    const client = { socket: transport, transport };
    const abort = new AbortController();
    const visit: Visit = { address, startedAt: performance.now(), cut: (reason) => abort.abort(reason) };
    if (this.#closed) return reset(client);
    if (!this.#terms.isInNetwork(address)) return this.#refuse(client, visit, 'network-not-admitted');
    const place = this.#places.enter(address);
    if (typeof place === 'string') return this.#turnAway(client, address, place);
    this.#visits.add(visit);
    transport.once('close', () => abort.abort('client-gone' satisfies Reason));
    try {
      await this.#lead(transport, visit, { place, signal: abort.signal });
    } finally {
      place.release();
      this.#visits.delete(visit);
      if (this.#visits.size === 0) this.#whenEmpty();
    }
  }

  /** The way of one connection, to its end. */
  async #lead(
    transport: Socket,
    visit: Visit,
    { place, signal }: { readonly place: StreamPlace; readonly signal: AbortSignal },
  ): Promise<void> {
    const secured = await this.#terms.tls?.secure(transport, (reason) => visit.cut(reason));
    if (secured?.kind === 'refused') return;
    const client: StreamEnd = secured?.end ?? { socket: transport, transport };
    visit.arrival = secured?.arrival;
    // Those of now: others may have come into force while hands were shaken.
    const { admit, limits } = this.#terms;
    const admission = admit(visit.arrival);
    visit.admission = admission;
    if (admission.kind === 'refused') return this.#refuse(client, visit, admission.reason, admission.detail);
    const crowded = admission.peer === undefined ? undefined : place.claim(admission.peer);
    if (crowded) return this.#refuse(client, visit, 'overloaded', `limits.${crowded}`);
    this.#parts.onAdmitted(transport);
    const upstream = await this.#connect(client, visit, signal);
    if (!upstream) return;
    const relay = new Relay(client, upstream, limits);
    if (signal.aborted) relay.cut(signal.reason as Reason);
    visit.cut = (reason) => relay.cut(reason);
    this.#record(visit, await relay.done);
  }

  async #connect(client: StreamEnd, visit: Visit, signal: AbortSignal): Promise<StreamEnd | undefined> {
    const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = client.transport;
    const ends = {
      source: { address: remoteAddress, port: remotePort },
      target: { address: localAddress, port: localPort },
    };
    try {
      return await this.#terms.upstream.connect(ends, signal);
    } catch (error) {
      if (signal.aborted) this.#refuse(client, visit, signal.reason as Reason);
      else if (error instanceof Failure) this.#refuse(client, visit, error.reason, error.message);
      else throw error;
      return undefined;
    }
  }

  #refuse(client: StreamEnd, visit: Visit, reason: Reason, detail?: string): void {
    reset(client);
    this.#record(visit, { reason, bytesIn: 0, bytesOut: 0, ...(detail !== undefined && { detail }) });
  }

  /** Told now and then: whoever fills a stream would fill log and audit as well. */
  #turnAway(client: StreamEnd, address: string, bound: string): void {
    reset(client);
    const now = performance.now();
    if (now - this.#crowdedAt < crowdedEvery) return;
    this.#crowdedAt = now;
    const fields = { stream: this.#parts.name, address, bound: `limits.${bound}`, open: this.#visits.size };
    this.#parts.log.warn(fields, 'a stream is full, and turns connections away');
  }

  #record(
    { address, startedAt, admission: { peer, service } = { kind: 'admitted' } }: Visit,
    end: Partial<Pick<StreamEndRecord, 'reason' | 'detail'>> & Pick<StreamEndRecord, 'bytesIn' | 'bytesOut'>,
  ): void {
    this.#parts.record({
      event: 'stream',
      stream: this.#parts.name,
      ...(peer !== undefined && { peer }),
      ...(service !== undefined && { service }),
      address,
      ...end,
      seconds: (performance.now() - startedAt) / 1000,
    });
  }
}

function ignore(): void {}
