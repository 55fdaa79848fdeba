/** How many connections a stream may hold: in all, from one address, of one peer. Who has no room is let go before TLS begins. */

/** The bounds of one stream; each at least 1. */
export interface StreamBounds {
  readonly connections: number;
  readonly perPeer: number;
  readonly perAddress: number;
}

/** Which bound a connection does not fit in. */
type Crowded = keyof StreamBounds;

/** A connection's place among the others. */
export interface StreamPlace {
  /** Takes a place of a peer besides, once it is known; says which bound is in the way. */
  claim(peer: string): Crowded | undefined;
  /** Gives everything back; further calls do nothing. */
  release(): void;
}

/** The connections of one stream. */
export class StreamLimits {
  /** Others count for those that come from then on. */
  bounds: StreamBounds;
  readonly #addresses = new Map<string, number>();
  readonly #peers = new Map<string, number>();
  #connections = 0;

  constructor(bounds: StreamBounds) {
    this.bounds = bounds;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Takes a place for a connection from an address, or says which bound is in the way. */
  enter(address: string): StreamPlace | Crowded {
    if (this.#connections >= this.bounds.connections) return 'connections';
    if ((this.#addresses.get(address) ?? 0) >= this.bounds.perAddress) return 'perAddress';
    this.#connections += 1;
    add(this.#addresses, address, 1);
    let claimed: string | undefined;
    let isOver = false;
    return {
      claim: (peer) => {
        if ((this.#peers.get(peer) ?? 0) >= this.bounds.perPeer) return 'perPeer';
        claimed = peer;
        add(this.#peers, peer, 1);
        return undefined;
      },
      release: () => {
        if (isOver) return;
        isOver = true;
        this.#connections -= 1;
        add(this.#addresses, address, -1);
        if (claimed !== undefined) add(this.#peers, claimed, -1);
      },
    };
  }
}

/** Names that hold nothing are forgotten: anybody can be one. */
function add(counts: Map<string, number>, name: string, by: 1 | -1): void {
  const count = (counts.get(name) ?? 0) + by;
  if (count > 0) counts.set(name, count);
  else counts.delete(name);
}
