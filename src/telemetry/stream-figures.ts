/** What streams come to: how many are open, how they ended, how much went through them. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Reason } from '../core/reason.ts';

/** The end of a stream, or that it was not let in, as the audit has it. */
export interface StreamEndRecord {
  readonly event: 'stream';
  /** By its name in the configuration. */
  readonly stream: string;
  /** The machine, by its row in `peers`. */
  readonly peer?: string;
  readonly service?: string;
  /** The client's, after PROXY headers. */
  readonly address: string;
  /** Absent where both ends were done. */
  readonly reason?: Reason;
  /** Of a connection that came to nothing: what exactly was wrong. */
  readonly detail?: string;
  /** From the client, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly seconds: number;
  /** Of nobody who is signed in, and of no request. */
  readonly user?: never;
  readonly request?: never;
}

/** The figures of streams in a registry. */
export class StreamFigures {
  readonly #ends: Counter<'stream' | 'reason'>;
  readonly #bytes: Counter<'stream' | 'direction'>;
  #readOpen: (() => ReadonlyMap<string, number>) | undefined;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#ends = new Counter({
      name: 'gatehouse_stream_ends_total',
      help: 'Streams that ended, or were not let in; without a reason where both ends were done',
      labelNames: ['stream', 'reason'],
      registers,
    });
    this.#bytes = new Counter({
      name: 'gatehouse_stream_bytes_total',
      help: 'Bytes of streams that have ended; in: from the client',
      labelNames: ['stream', 'direction'],
      registers,
    });
    const open = new Gauge({
      name: 'gatehouse_streams_open',
      help: 'Streams that are open',
      labelNames: ['stream'],
      aggregator: 'sum',
      registers,
      collect: () => {
        open.reset();
        for (const [stream, count] of this.#readOpen?.() ?? []) open.set({ stream }, count);
      },
    });
  }

  ended({ stream, reason, bytesIn, bytesOut }: StreamEndRecord): void {
    this.#ends.inc({ stream, reason: reason ?? '' });
    this.#bytes.inc({ stream, direction: 'in' }, bytesIn);
    this.#bytes.inc({ stream, direction: 'out' }, bytesOut);
  }

  /** Reads how many are open, by stream, each time the metrics are read. */
  readOpenBy(read: () => ReadonlyMap<string, number>): void {
    this.#readOpen = read;
  }
}
