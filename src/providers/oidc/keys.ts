/**
 * The public keys of an issuer: fetched when needed, kept, fetched again when a token names a key that is not among them, and
 * never in a storm, whoever sends whatever.
 */
import { createRemoteJWKSet, customFetch, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../../core/clock.ts';
import type { Fetch } from '../../remote/http-client.ts';

const cooldown = 30_000;
const cacheMaxAge = 600_000;
const failureHolds = 2000;

/** The keys behind one `jwks_uri`. */
export class Keys {
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  readonly #remote: ReturnType<typeof createRemoteJWKSet>;
  #failure: { readonly error: unknown; readonly until: number } | undefined;

  constructor(uri: URL, { fetch, clock, timeout }: { fetch: Fetch; clock: Clock; timeout: number }) {
    this.#fetch = fetch;
    this.#clock = clock;
    this.#remote = createRemoteJWKSet(uri, {
      timeoutDuration: timeout,
      cooldownDuration: cooldown,
      cacheMaxAge,
      [customFetch]: (url, init) => this.#get(url, init),
    });
  }

  /** Finds the key of a token that anybody may have sent: an unknown key has the set fetched again at most so often. */
  readonly find: JWTVerifyGetKey = (header, token) => this.#remote(header, token);

  /** The whole set, with the key of this id if the issuer has it: for tokens that the issuer itself has just sent. */
  async document(kid: string | undefined): Promise<JSONWebKeySet> {
    const known = this.#remote.fresh ? this.#remote.jwks() : undefined;
    if (known && (kid === undefined || known.keys.some((key) => key.kid === kid))) return known;
    await this.#remote.reload();
    return this.#remote.jwks() ?? { keys: [] };
  }

  /** jose has no cool-down after a failure: while the issuer is down, each token would ask it again. */
  async #get(url: string, init: Parameters<Fetch>[1]): Promise<Response> {
    if (this.#failure && this.#clock.now() < this.#failure.until) throw this.#failure.error;
    try {
      const response = await this.#fetch(url, init);
      if (response.status === 200) {
        this.#failure = undefined;
        return response;
      }
      await response.body?.cancel();
      throw new Error(`the keys are answered with ${response.status}`);
    } catch (error) {
      this.#failure = { error, until: this.#clock.now() + failureHolds };
      throw error;
    }
  }
}
