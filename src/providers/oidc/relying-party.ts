/**
 * One conversation with an issuer through openid-client: with the attempt's own deadline, the gateway's client credentials,
 * and the signature of every ID token checked. What is said in it is the login's, the refresh's and the bearer token's.
 */
import type { webcrypto } from 'node:crypto';
import * as client from 'openid-client';
import type { Fetch } from '../../remote/http-client.ts';
import { clientSecretBasic } from './client-auth.ts';
import { wordlessRefusal } from './failure.ts';
import type { KnownIssuer } from './issuer.ts';
import { algorithmOf, type OidcOptions } from './options.ts';

/** How the gateway proves itself to the issuer. */
export type ClientMethod = 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none';

/** The client's side of every conversation: what the configuration says of it. */
export class RelyingParty {
  readonly #options: OidcOptions;
  readonly #fetch: Fetch;
  readonly #timeout: number;
  #key: client.PrivateKey | undefined;

  constructor(options: OidcOptions, fetch: Fetch, timeout: number) {
    this.#options = options;
    this.#fetch = fetch;
    this.#timeout = timeout;
  }

  /** The client id that logs in. */
  get clientId(): string {
    return this.#options.clientId[0] ?? '';
  }

  /** By configuration, else the first that fits what the client has and the issuer takes (OpenID Connect Discovery §3). */
  methodAt({ metadata }: KnownIssuer): ClientMethod {
    const { clientAuth, clientSecret, privateKey } = this.#options;
    if (clientAuth) return clientAuth;
    if (privateKey) return 'private_key_jwt';
    if (!clientSecret) return 'none';
    const offered = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return offered.includes('client_secret_basic') || !offered.includes('client_secret_post')
      ? 'client_secret_basic'
      : 'client_secret_post';
  }

  /**
   * A conversation that ends when the signal aborts.
   *
   * A new one each time: openid-client keeps keys of its own for a minute whatever is signed with others meanwhile.
   */
  at(issuer: KnownIssuer, signal: AbortSignal, method = this.methodAt(issuer)): client.Configuration {
    const configuration = new client.Configuration(
      issuer.metadata,
      this.clientId,
      undefined,
      this.#authentication(method),
    );
    configuration.timeout = this.#timeout / 1000;
    configuration[client.customFetch] = keyedFetch(issuer, this.#fetch, signal);
    client.enableNonRepudiationChecks(configuration);
    if (this.#options.insecureIssuer) client.allowInsecureRequests(configuration);
    return configuration;
  }

  #authentication(method: ClientMethod): client.ClientAuth {
    const secret = (): string => this.#options.clientSecret?.reveal() ?? '';
    switch (method) {
      case 'client_secret_basic':
        return clientSecretBasic(secret);
      case 'client_secret_post':
        return client.ClientSecretPost(secret());
      case 'private_key_jwt':
        return client.PrivateKeyJwt(this.#signingKey());
      case 'none':
        return client.None();
      default:
        return method satisfies never;
    }
  }

  #signingKey(): client.PrivateKey {
    const { privateKey, keyId } = this.#options;
    const algorithm = privateKey && algorithmOf(privateKey);
    if (!algorithm) throw new TypeError('there is no key to sign with');
    const key: webcrypto.CryptoKey = privateKey.toCryptoKey(algorithm, false, ['sign']);
    this.#key ??= { key, ...(keyId !== undefined && { kid: keyId }) };
    return this.#key;
  }
}

/**
 * Answers for the issuer's keys out of what is kept of them, fresh enough for the token that has just come: an issuer may
 * sign with a key that it has published a moment ago.
 */
function keyedFetch({ metadata, keys }: KnownIssuer, fetch: Fetch, signal: AbortSignal): client.CustomFetch {
  let kid: string | undefined;
  return async (url, init) => {
    if (url === metadata.jwks_uri) return Response.json(await keys.document(kid));
    const limits = init.signal ? AbortSignal.any([init.signal, signal]) : signal;
    const response = await readRefusal(url, await fetch(url, { ...init, signal: limits }));
    if (url === metadata.token_endpoint && response.status === 200) kid = await kidIn(response.clone());
    return response;
  };
}

/**
 * A refusal as the library is to see it: without a challenge where its body says what is wrong, since the library reads the
 * challenge alone, which is the same for a client and for a token that are refused (RFC 6749 §5.2). Throws a Failure where
 * nothing is said at all, as glewlwyd does: the library takes that for an answer that is none.
 */
async function readRefusal(url: string, response: Response): Promise<Response> {
  if (response.status < 400) return response;
  const text = await response.text();
  const headers = new Headers(response.headers);
  if (hasErrorCode(text)) headers.delete('www-authenticate');
  else if (text === '' && !headers.has('www-authenticate') && refusals.has(response.status))
    throw wordlessRefusal(response.status, new URL(url));
  return new Response(text, { status: response.status, headers });
}

const refusals: ReadonlySet<number> = new Set([400, 401, 403]);

function hasErrorCode(text: string): boolean {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string';
  } catch {
    return false;
  }
}

/** The key id that the ID token of a token response names; nothing is trusted for it. */
async function kidIn(response: Response): Promise<string | undefined> {
  try {
    const body = (await response.json()) as { id_token?: unknown };
    if (typeof body.id_token !== 'string') return undefined;
    const header: unknown = JSON.parse(Buffer.from(body.id_token.split('.')[0] ?? '', 'base64url').toString());
    return typeof header === 'object' && header !== null && 'kid' in header ? String(header.kid) : undefined;
  } catch {
    return undefined;
  }
}
