/**
 * The addresses and listeners of one configuration, made ready beside those that serve: what stays is kept with its connections,
 * new addresses are open before those of before close, and nothing changes until all of it is put in place at once.
 */
import { networks } from '../config/values.ts';
import { Door } from '../edge/door.ts';
import type { Listener } from '../edge/listener.ts';
import { addressesOf, type ListenerPlan, type ListenersDocument, placeOf, plansOf } from '../edge/listener-plan.ts';
import type { Services } from '../gateway/services.ts';
import { Certificates } from '../tls/certificates.ts';
import { type PreparedCertificates, prepareCertificates } from '../tls/prepared-certificates.ts';

/** Where a configured address really is: its port of 0 has become a free one. */
export type Place = readonly [configured: string, actual: string];

/** One listener with what it serves by, at each of its addresses. */
export interface Placed {
  readonly plan: ListenerPlan;
  /** Tells apart what cannot change under open connections. */
  readonly shape: string;
  readonly certificates: Certificates | undefined;
  readonly at: ReadonlyMap<string, Listener>;
}

/** What serves at a moment. */
export interface Standing {
  readonly doors: ReadonlyMap<string, Door>;
  readonly placed: ReadonlyMap<string, Placed>;
}

interface OpenParts extends Pick<Services, 'clock' | 'log'> {
  readonly limits: { readonly maxConnections: number; readonly headTimeout: number };
  readonly isShared: boolean;
  /** Where to listen, in place of a configured address: its port of 0 has become a free one. */
  readonly actual: (place: string) => URL | undefined;
  /** Networks whose peers send a PROXY header, as it is asked at each connection. */
  readonly mustTell: (place: string, peer: string) => boolean;
  readonly make: (plan: ListenerPlan, address: URL, certificates: Certificates | undefined, door: Door) => Listener;
}

/** What is ready to serve. One of the two is called, once. */
interface ReadyListeners {
  put(): Standing;
  drop(): Promise<void>;
}

/** Readies the listeners of a configuration beside those that stand; throws what stands in the way, and leaves nothing open. */
export async function readyListeners(
  document: ListenersDocument,
  before: Standing,
  parts: OpenParts,
): Promise<ReadyListeners> {
  const plans = plansOf(document);
  const read = await Promise.all(
    plans.map(({ name, tls, clients }) => {
      const lists = before.placed.get(name)?.certificates?.revocation?.current;
      return tls ? prepareCertificates(tls, clients, lists) : undefined;
    }),
  );
  const opened = new Map<string, Door>();
  const closeOpened = async (): Promise<void> =>
    void (await Promise.all([...opened.values()].map((door) => door.close())));
  try {
    for (const address of addressesOf(document)) {
      const place = placeOf(address);
      if (!before.doors.has(place)) opened.set(place, await openDoor(address, parts));
    }
  } catch (error) {
    await closeOpened();
    throw error;
  }
  return {
    put: () => {
      const places = addressesOf(document).map(placeOf);
      const doors = new Map(places.flatMap((place) => doorOf(place, opened, before)));
      const placed = new Map(
        plans.map((plan, index) => [plan.name, placeOne(plan, read[index], { doors, before, parts })] as const),
      );
      for (const [place, door] of doors) door.serve(behind(place, placed));
      return { doors, placed };
    },
    drop: closeOpened,
  };
}

function openDoor(address: URL, { actual, isShared, limits, log, mustTell }: OpenParts): Promise<Door> {
  const place = placeOf(address);
  return Door.open({
    ...{ limits, log, reusePort: isShared },
    address: actual(place) ?? address,
    mustTell: (peer) => mustTell(place, peer),
  });
}

function doorOf(place: string, opened: ReadonlyMap<string, Door>, { doors }: Standing): [string, Door][] {
  const door = opened.get(place) ?? doors.get(place);
  return door ? [[place, door]] : [];
}

/** A listener that stays keeps its certificates' watch and its connections, and takes what was read anew. */
function placeOne(
  plan: ListenerPlan,
  read: PreparedCertificates | undefined,
  {
    doors,
    before,
    parts,
  }: { readonly doors: ReadonlyMap<string, Door>; readonly before: Standing; readonly parts: OpenParts },
): Placed {
  const shape = shapeOf(plan);
  const own = before.placed.get(plan.name);
  const kept = own?.shape === shape ? own : undefined;
  if (read) kept?.certificates?.use(read);
  const certificates = kept?.certificates ?? (read && Certificates.of(read, parts));
  const at = new Map(
    plan.addresses.flatMap((address): [string, Listener][] => {
      const place = placeOf(address);
      const door = doors.get(place);
      if (!door) return [];
      return [[place, kept?.at.get(place) ?? parts.make(plan, address, certificates, door)]];
    }),
  );
  return { plan, shape, certificates, at };
}

/** What a handshake is made by: another is another listener, and the connections of the one before end with their requests. */
function shapeOf({ clients, tls }: ListenerPlan): string {
  return JSON.stringify([tls !== undefined, tls?.[0]?.minVersion, clients?.ask]);
}

function behind(place: string, placed: ReadonlyMap<string, Placed>) {
  return [...placed.values()].flatMap(({ plan: { hosts }, at }) => {
    const listener = at.get(place);
    return listener ? [{ listener, hosts }] : [];
  });
}

/** Who sends PROXY headers at each address. */
export function proxiedNetworks(document: ListenersDocument): ReadonlyMap<string, (peer: string) => boolean> {
  return new Map(
    plansOf(document).flatMap(({ addresses, proxyProtocol }) => {
      const isIn = networks(proxyProtocol);
      return addresses.map((address) => [placeOf(address), isIn] as const);
    }),
  );
}
