/** The signed identity: a short-lived JWT for each upstream, so that an application need not trust a header's sender. */
import { randomUUID } from 'node:crypto';
import { type JWK, SignJWT } from 'jose';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import type { Principal } from '../core/principal.ts';
import type { Session } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import { type AssertionTerms, claimsOf, usualLifetime } from './assertion-claims.ts';
import { type AssertionAlgorithm, KeyRing } from './assertion-keys.ts';

/** What a signer is made of. */
export interface AssertionSignerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** `iss`: the public URL's origin. */
  readonly issuer: URL;
  readonly algorithm?: AssertionAlgorithm;
  /** How long a key signs, in milliseconds; 0 is for ever. */
  readonly rotate?: number;
  /** The longest life of a token that is signed, in seconds: for so long keys stay published. */
  readonly longestLifetime?: number;
}

/** Milliseconds for which a token is given out again, where that is no more than a third of its life. */
const reuse = 20_000;
const maxTokens = 10_000;

interface KeptToken {
  readonly until: number;
  readonly token: Promise<string>;
}

interface LastToken {
  readonly terms: AssertionTerms;
  readonly session: string | undefined;
  readonly proofs: Session['proofs'] | undefined;
  readonly until: number;
  readonly token: string;
}

/** Signs identities by the keys in the store. Each configuration has one, and a reload makes another. */
export class AssertionSigner {
  readonly #ring: KeyRing;
  readonly #clock: Clock;
  readonly #issuer: string;
  readonly #algorithm: AssertionAlgorithm;
  readonly #tokens = new Map<string, KeptToken>();
  /** What the last token of a principal was made for: spares the comparison of all that it says. */
  readonly #last = new WeakMap<Principal, LastToken>();

  constructor(options: AssertionSignerOptions) {
    const { store, clock, log, issuer, algorithm = 'EdDSA', rotate = 30 * 86_400_000 } = options;
    const lifetime = Math.max(usualLifetime, options.longestLifetime ?? 0) * 1000;
    this.#ring = new KeyRing({ store, clock, log, algorithm, rotate, lifetime });
    this.#clock = clock;
    this.#issuer = issuer.origin;
    this.#algorithm = algorithm;
  }

  /** Makes sure that there is a key, so that a store out of reach shows at start and not at the first request. */
  async prepare(): Promise<void> {
    await this.#ring.signing();
  }

  /**
   * The identity for one upstream, on the terms of its route: the same object for the same route.
   *
   * Requests of one session to one upstream share a token for some seconds: `jti` names the token, not the request. What
   * it says is part of what is compared, so a changed role never meets an older token. One that is kept needs no promise.
   */
  sign(principal: Principal, session: Session | undefined, terms: AssertionTerms): MaybePromise<string> {
    const now = this.#clock.now();
    const last = this.#last.get(principal);
    if (last?.terms === terms && last.session === session?.id && last.proofs === session?.proofs && last.until > now)
      return last.token;
    const kept = this.#keptToken(claimsOf(principal, session, terms), terms, now);
    return kept.token.then((token) => {
      const { until } = kept;
      this.#last.set(principal, { terms, session: session?.id, proofs: session?.proofs, until, token });
      return token;
    });
  }

  /** Until when a token that a principal was given last is given out again; before all time where it is not the last. */
  givenUntil(principal: Principal, token: string): number {
    const last = this.#last.get(principal);
    return last?.token === token ? last.until : Number.NEGATIVE_INFINITY;
  }

  /** A token that says all this, made for this request or lately for another. */
  #keptToken(claims: Record<string, unknown>, terms: AssertionTerms, now: number): KeptToken {
    const { audience, lifetime } = terms;
    const key = `${audience} ${lifetime} ${JSON.stringify(claims)}`;
    const known = this.#tokens.get(key);
    if (known && known.until > now) return known;
    const token = this.#make(claims, terms, now);
    // Whoever waits for it hears of the failure; it must not be given out again.
    token.catch(() => this.#tokens.delete(key));
    const kept = { token, until: now + Math.min(reuse, (lifetime * 1000) / 3) };
    this.#keep(key, kept, now);
    return kept;
  }

  /** The keys by which anybody can check a token. */
  async jwks(): Promise<{ keys: JWK[] }> {
    return this.#ring.published();
  }

  async #make(claims: Record<string, unknown>, { audience, lifetime }: AssertionTerms, now: number): Promise<string> {
    const { kid, key } = await this.#ring.signing();
    const issuedAt = Math.floor(now / 1000);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: this.#algorithm, kid, typ: 'JWT' })
      .setIssuer(this.#issuer)
      .setAudience(audience)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + lifetime)
      .setJti(randomUUID())
      .sign(key);
  }

  /** Tokens stand in the order in which they were made, so that of one lifetime the expired ones come first. */
  #keep(key: string, token: KeptToken, now: number): void {
    for (const [oldest, { until }] of this.#tokens) {
      if (until > now && this.#tokens.size < maxTokens) break;
      this.#tokens.delete(oldest);
    }
    this.#tokens.delete(key);
    this.#tokens.set(key, token);
  }
}
