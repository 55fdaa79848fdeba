/**
 * Which server of an upstream a request goes to: by weight in turn, or where its visitor has been before; backups where no other is
 * there. A server that cannot be connected to costs no request: the next one is tried.
 */
import type { Log } from '../core/log.ts';
import type { Upstream } from '../core/route.ts';
import type { UpstreamServerPool } from './server-pool.ts';
import { attraction, StickyCookie, type StickyParts, type Visitor } from './sticky.ts';

/** Work at one server that may be done again: on a fresh connection to it, or else at another. */
export interface Again {
  readonly kind: 'again';
  readonly fresh: boolean;
  readonly error: Error;
}

/** Where work is done, and what the visitor's browser is to be told of it. */
export interface Place {
  readonly pool: UpstreamServerPool;
  readonly fresh: boolean;
  /** A `Set-Cookie` value that leads here again; absent where the browser has it. */
  readonly cookie?: string;
}

/** A server among the others. */
interface Member {
  readonly pool: UpstreamServerPool;
  readonly weight: number;
  readonly isBackup: boolean;
  /** How long it has waited for its turn, in weights. */
  waited: number;
}

/** The servers that have failed one request. */
type Tried = Pick<ReadonlySet<UpstreamServerPool>, 'has'>;
const none: Tried = { has: () => false };

/**
 * The places at which one request is tried: at another server for as long as the one before could not be connected to, and once
 * more on a fresh connection where that is asked for.
 */
class Tries {
  readonly #log: Log;
  readonly #pick: (tried: Tried) => Place | undefined;
  #failed: Set<UpstreamServerPool> | undefined;

  constructor(log: Log, pick: (tried: Tried) => Place | undefined) {
    this.#log = log;
    this.#pick = pick;
  }

  /** Undefined where there is no server at all. */
  first(): Place | undefined {
    return this.#pick(none);
  }

  /** Where it is tried again; undefined where no server is left. */
  next(last: Place, { fresh, error }: Again): Place | undefined {
    const { pool } = last;
    this.#log.debug({ upstream: pool.server.origin, error }, 'a request is tried again');
    if (fresh && !last.fresh) return { ...last, fresh: true };
    pool.failed(error);
    this.#failed ??= new Set();
    return this.#pick(this.#failed.add(pool));
  }
}

/** The servers of one upstream. */
export class Balancer {
  readonly #members: readonly Member[];
  readonly #sticky: Upstream['sticky'];
  readonly #cookie: StickyCookie | undefined;
  readonly #log: Log;
  /** Where there is one server, and no cookie that leads to it. */
  readonly #only: Place | undefined;

  /** The pools are those of the upstream's servers, in their order. */
  constructor(
    { servers, sticky }: Upstream,
    pools: readonly UpstreamServerPool[],
    { log, ...parts }: StickyParts & { readonly log: Log },
  ) {
    this.#members = servers.flatMap(({ weight = 1, isBackup = false }, index) => {
      const pool = pools[index];
      return pool ? [{ pool, weight, isBackup, waited: 0 }] : [];
    });
    this.#sticky = sticky;
    const origins = servers.map(({ origin }) => origin);
    this.#cookie = sticky === 'cookie' ? new StickyCookie(origins, parts) : undefined;
    this.#log = log;
    const [first, ...more] = this.#members;
    this.#only = first && more.length === 0 && !this.#cookie ? { pool: first.pool, fresh: false } : undefined;
  }

  /** The tries of one visitor's request, one after the other. */
  tries(visitorOf: () => Visitor): Tries {
    const only = this.#only;
    // Nobody need be told from anybody where there is one server.
    if (only) return new Tries(this.#log, (tried) => (tried.has(only.pool) ? undefined : only));
    const visitor = visitorOf();
    const known = this.#cookie?.find(visitor.cookies);
    return new Tries(this.#log, (tried) => {
      const pool = this.#pick(tried, visitor, known?.origin)?.pool;
      if (!pool) return undefined;
      const isKnown = known?.isCurrent === true && known.origin === pool.server.origin;
      const cookie = isKnown ? undefined : this.#cookie?.set(pool.server.origin);
      return { pool, fresh: false, ...(cookie !== undefined && { cookie }) };
    });
  }

  /** Does work at a server, and again where it asks for that: the last failure where no server is left; undefined where there is none at all. */
  async attempt<Result extends { readonly kind: string }>(
    visitor: Visitor,
    work: (place: Place) => Promise<Result | Again>,
  ): Promise<Result | Again | undefined> {
    const tries = this.tries(() => visitor);
    let result: Result | Again | undefined;
    for (let place = tries.first(); place; place = isAgain(result) ? tries.next(place, result) : undefined)
      result = await work(place);
    return result;
  }

  /** The server for work that these have failed; undefined when none is left. A single server is never left alone. */
  #pick(tried: Tried, { address }: Visitor, preferred: string | undefined): Member | undefined {
    const open = this.#members.filter(({ pool }) => !tried.has(pool));
    if (this.#members.length === 1) return open[0];
    const chosen =
      open.find(({ pool }) => pool.server.origin === preferred && pool.isLive) ??
      this.#choose(candidatesOf(open), address);
    chosen?.pool.probe();
    return chosen;
  }

  #choose(candidates: readonly Member[], address: string): Member | undefined {
    const [first] = candidates;
    if (this.#sticky !== 'address') return nextInTurn(candidates);
    const drawnTo = ({ pool, weight }: Member): number => attraction(address, pool.server.origin, weight);
    return first && candidates.reduce((best, one) => (drawnTo(one) > drawnTo(best) ? one : best), first);
  }
}

/** Backups stand in for all others together. With every server left alone, any may have come back. */
function candidatesOf(open: readonly Member[]): readonly Member[] {
  const live = open.filter(({ pool }) => pool.isLive);
  const sets = [live.filter(({ isBackup }) => !isBackup), live, open.filter(({ isBackup }) => !isBackup), open];
  return sets.find((set) => set.length > 0) ?? [];
}

/** nginx's smooth turns: of the weights 5 and 1 the lighter server comes in the middle of six requests, not behind five. */
function nextInTurn(candidates: readonly Member[]): Member | undefined {
  let best: Member | undefined;
  let total = 0;
  for (const member of candidates) {
    member.waited += member.weight;
    total += member.weight;
    if (!best || member.waited > best.waited) best = member;
  }
  if (best) best.waited -= total;
  return best;
}

/** Whether work is to be done again. */
export function isAgain(result: { readonly kind: string } | undefined): result is Again {
  return result?.kind === 'again';
}
