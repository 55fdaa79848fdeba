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

/** The servers of one upstream. */
export class Balancer {
  readonly #members: readonly Member[];
  readonly #sticky: Upstream['sticky'];
  readonly #cookie: StickyCookie | undefined;
  readonly #log: Log;

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
  }

  /**
   * Does work at a server: at another for as long as the one before could not be connected to, and once more on a fresh
   * connection where it asks for one. The last failure where no server is left; undefined where there is none at all.
   */
  async attempt<Result extends { readonly kind: string }>(
    visitor: Visitor,
    work: (place: Place) => Promise<Result | Again>,
  ): Promise<Result | Again | undefined> {
    const tried = new Set<Member>();
    const known = this.#cookie?.find(visitor.cookies);
    let last: Again | undefined;
    const pick = (): Member | undefined => this.#pick(tried, visitor, known?.origin);
    for (let member = pick(); member; member = pick()) {
      const { pool } = member;
      const isKnown = known?.isCurrent === true && known.origin === pool.server.origin;
      const cookie = isKnown ? undefined : this.#cookie?.set(pool.server.origin);
      const place = { pool, ...(cookie !== undefined && { cookie }) };
      let result = await work({ ...place, fresh: false });
      if (isAgain(result) && result.fresh) {
        this.#log.debug({ upstream: pool.server.origin, error: result.error }, 'a request is tried again');
        result = await work({ ...place, fresh: true });
      }
      if (!isAgain(result)) return result;
      this.#log.debug({ upstream: pool.server.origin, error: result.error }, 'a request is tried again');
      pool.failed(result.error);
      tried.add(member);
      last = result;
    }
    return last;
  }

  /** The server for work that these have failed; undefined when none is left. A single server is never left alone. */
  #pick(tried: ReadonlySet<Member>, { address }: Visitor, preferred: string | undefined): Member | undefined {
    const open = this.#members.filter((member) => !tried.has(member));
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

function isAgain(result: { readonly kind: string }): result is Again {
  return result.kind === 'again';
}
