/**
 * The circuit breakers of a site's servers. They belong to the site and not to one configuration: an outage does not end with a
 * reload, and users must not wait for it anew. Those of several workers follow one process, which hears of what happens at each
 * of them and says how they stand.
 */
import { type BreakerNews, type BreakerSettings, type BreakerSnapshot, CircuitBreaker } from './circuit-breaker.ts';

/** How one stands, for a process that follows. */
export interface BreakerStanding {
  readonly identity: string;
  readonly snapshot: BreakerSnapshot;
}

/** Where breakers are one of several of their server. */
interface BreakersOfMany {
  /** Told what has happened here first. */
  readonly onNews: (identity: string, news: BreakerNews) => void;
  /** Another process leads: it looks whether a server is back, and these stood so there when this process began. */
  readonly led?: readonly BreakerStanding[];
}

/** Circuit breakers by server. */
export class Breakers {
  readonly #kept = new Map<string, CircuitBreaker>();
  readonly #many: BreakersOfMany | undefined;
  readonly #beginnings: Map<string, BreakerSnapshot>;

  constructor(many?: BreakersOfMany) {
    this.#many = many;
    this.#beginnings = new Map(many?.led?.map(({ identity, snapshot }) => [identity, snapshot]));
  }

  /**
   * The circuit breaker of a server. `identity` stands for all that is configured of it: where that is as before, what was learned
   * of the server is kept; anything else may have mended it, and begins anew.
   */
  of(identity: string, settings: BreakerSettings): CircuitBreaker {
    const kept = this.#kept.get(identity) ?? this.#make(identity, settings);
    this.#kept.set(identity, kept);
    return kept;
  }

  /** Forgets all servers but these: call it when another configuration is in place. */
  retain(identities: ReadonlySet<string>): void {
    for (const identity of this.#kept.keys()) if (!identities.has(identity)) this.#kept.delete(identity);
  }

  /** Something happened in a process that follows; gives how the breaker stands now, undefined where there is none. */
  hear(identity: string, news: BreakerNews): BreakerStanding | undefined {
    this.#kept.get(identity)?.hear(news);
    return this.standing(identity);
  }

  /** The process that leads says how one stands. */
  adopt({ identity, snapshot }: BreakerStanding): void {
    this.#kept.get(identity)?.adopt(snapshot);
  }

  /** How one stands; undefined where there is none. */
  standing(identity: string): BreakerStanding | undefined {
    const kept = this.#kept.get(identity);
    return kept && { identity, snapshot: kept.snapshot() };
  }

  /** How all stand. */
  standings(): readonly BreakerStanding[] {
    return [...this.#kept].map(([identity, kept]) => ({ identity, snapshot: kept.snapshot() }));
  }

  #make(identity: string, settings: BreakerSettings): CircuitBreaker {
    const many = this.#many;
    if (!many) return new CircuitBreaker(settings);
    const breaker = new CircuitBreaker({
      ...settings,
      onNews: (news) => many.onNews(identity, news),
      isLed: many.led !== undefined,
    });
    const beginning = this.#beginnings.get(identity);
    if (beginning) breaker.adopt(beginning);
    // Once: made anew later, it begins anew.
    this.#beginnings.delete(identity);
    return breaker;
  }
}
