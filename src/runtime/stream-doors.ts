/** The addresses of streams, opened before anything is put in place. */
import { networks } from '../config/values.ts';
import { Door } from '../edge/door.ts';
import { placeOf } from '../edge/listener-plan.ts';
import type { Services } from '../gateway/services.ts';
import { type StreamsDocument, streamAddresses } from '../streams/stream-addresses.ts';

/** Connections that shake hands, beside those that streams may hold: who says nothing makes way for who comes. */
const handshakes = 1000;

interface OpenParts extends Pick<Services, 'log'> {
  readonly isShared: boolean;
  /** Where to listen, in place of a configured address: its port of 0 has become a free one. */
  readonly actual: (place: string) => URL | undefined;
  /** Those that are open already. */
  readonly open: ReadonlyMap<string, Door>;
  /** What of a number for the machine is this process's. */
  readonly share: (count: number) => number;
  /** The configuration that serves. */
  readonly standing: () => StreamsDocument;
}

/** Opens the addresses that are new; throws what stands in the way, and leaves nothing open. Who comes early waits. */
export async function openDoors(document: StreamsDocument, parts: OpenParts): Promise<ReadonlyMap<string, Door>> {
  const { log, isShared, actual, open, share, standing } = parts;
  const opened = new Map<string, Door>();
  try {
    for (const { address, names } of streamAddresses(document)) {
      const place = placeOf(address);
      if (open.has(place)) continue;
      const streams = names.flatMap((name) => document.streams[name] ?? []);
      const held = streams.reduce((sum, { limits }) => sum + limits.connections, 0);
      const headTimeout = Math.max(...streams.map(({ limits }) => limits.handshake));
      const limits = { maxConnections: share(held) + handshakes, headTimeout };
      const mustTell = (peer: string): boolean => isBalancer(standing(), place, peer);
      opened.set(
        place,
        await Door.open({ log, limits, mustTell, reusePort: isShared, address: actual(place) ?? address }),
      );
    }
  } catch (error) {
    await Promise.all([...opened.values()].map((door) => door.close()));
    throw error;
  }
  return opened;
}

/** Made once for each configuration, and asked at each connection. */
const balancers = new WeakMap<StreamsDocument, ReadonlyMap<string, (peer: string) => boolean>>();

function isBalancer(document: StreamsDocument, place: string, peer: string): boolean {
  const known = balancers.get(document) ?? balancersOf(document);
  balancers.set(document, known);
  return known.get(place)?.(peer) === true;
}

function balancersOf(document: StreamsDocument): ReadonlyMap<string, (peer: string) => boolean> {
  return new Map(
    streamAddresses(document).map(({ address, names }) => {
      const accepted = names.flatMap((name) => document.streams[name]?.proxyProtocol.accept ?? []);
      return [placeOf(address), networks(accepted)] as const;
    }),
  );
}
