/**
 * The circuit breakers of a site's servers. They belong to the site and not to one configuration: an outage does not end with a
 * reload, and users must not wait for it anew.
 */
import { type BreakerSettings, CircuitBreaker } from './circuit-breaker.ts';

/** Circuit breakers by server. */
export class Breakers {
  readonly #kept = new Map<string, CircuitBreaker>();

  /**
   * The circuit breaker of a server. `identity` stands for all that is configured of it: where that is as before, what was learned
   * of the server is kept; anything else may have mended it, and begins anew.
   */
  of(identity: string, settings: BreakerSettings): CircuitBreaker {
    const kept = this.#kept.get(identity) ?? new CircuitBreaker(settings);
    this.#kept.set(identity, kept);
    return kept;
  }

  /** Forgets all servers but these: call it when another configuration is in place. */
  retain(identities: ReadonlySet<string>): void {
    for (const identity of this.#kept.keys()) if (!identities.has(identity)) this.#kept.delete(identity);
  }
}
