/** The listeners of a configuration, whichever of the two forms it is written in. Pure. */
import type { Network } from '../core/address.ts';
import type { Arrival } from '../core/peer.ts';
import type { CertificateSource, ClientCertificateOptions } from '../tls/options.ts';
import type { ListenerOptions } from './options.ts';

/** What a configuration says of its listeners: in the short form for one site, or one by one. */
export interface ListenersDocument {
  readonly server: {
    readonly listen: readonly URL[];
    readonly tls?: readonly CertificateSource[] | undefined;
    readonly redirectHttp: boolean;
    readonly proxyProtocol: readonly Network[];
  };
  readonly listeners?: Readonly<Record<string, ListenerOptions>> | undefined;
}

/** One listener. */
export interface ListenerPlan {
  readonly name: string;
  readonly addresses: readonly URL[];
  /** The server names that are its own; empty: it takes the rest. */
  readonly hosts: readonly string[];
  readonly tls: readonly CertificateSource[] | undefined;
  readonly clients: ClientCertificateOptions | undefined;
  readonly redirectHttp: boolean;
  readonly proxyProtocol: readonly Network[];
}

/** What the listener of the short form is called. */
const shortName = 'public';

/** The listeners, in the order of the configuration. */
export function plansOf({ server, listeners }: ListenersDocument): readonly ListenerPlan[] {
  if (!listeners) {
    const { listen, tls, redirectHttp, proxyProtocol } = server;
    return [{ name: shortName, addresses: listen, hosts: [], tls, clients: undefined, redirectHttp, proxyProtocol }];
  }
  return Object.entries(listeners).map(
    ([name, { listen, hosts, tls, clientCertificates, redirectHttp, proxyProtocol }]) => ({
      ...{ name, hosts, tls, redirectHttp },
      addresses: listen,
      clients: clientCertificates.ask === 'never' ? undefined : clientCertificates,
      proxyProtocol: proxyProtocol ?? server.proxyProtocol,
    }),
  );
}

/** Every address, each once. */
export function addressesOf(document: ListenersDocument): readonly URL[] {
  const byKey = new Map(
    plansOf(document).flatMap(({ addresses }) => addresses.map((one) => [placeOf(one), one] as const)),
  );
  return [...byKey.values()];
}

/** Stands for an address: what has the same shares one port. */
export function placeOf({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

/**
 * Whether a request for a host belongs to another listener than it came by, and to one that asks for certificates, or came by
 * such a one unasked: what its connection shows is then no answer to that question (RFC 9110 §15.5.20).
 */
export function misdirection(
  document: ListenersDocument,
): ((arrival: Arrival | undefined, host: string) => boolean) | undefined {
  const plans = plansOf(document);
  const asking = plans.filter(({ clients }) => clients);
  if (asking.length === 0) return undefined;
  const byName = new Map(plans.map((plan) => [plan.name, plan]));
  const owners = new Map(asking.flatMap(({ name, hosts }) => hosts.map((host) => [host, name] as const)));
  const requiring = new Set(asking.flatMap(({ name, clients }) => (clients?.ask === 'required' ? [name] : [])));
  return (arrival, host) => {
    const listener = arrival?.listener;
    // A connection of before the listener required one: the next is asked.
    if (listener !== undefined && requiring.has(listener) && !arrival?.certificate) return true;
    const owner = owners.get(host);
    if (owner !== undefined) return owner !== listener;
    const own = listener === undefined ? undefined : byName.get(listener);
    if (!own || own.clients || own.hosts.length === 0 || own.hosts.includes(host)) return false;
    // Nobody's by name: at the same address it is the listener's that takes the rest.
    const places = new Set(own.addresses.map(placeOf));
    return asking.some(
      ({ hosts, addresses }) => hosts.length === 0 && addresses.some((one) => places.has(placeOf(one))),
    );
  };
}
