/** What the tests need of an OpenID provider that is another program than oidc-provider. */

/** The gateway as it is registered there. */
export interface ForeignClient {
  readonly id: string;
  readonly secret: string;
  readonly method: 'client_secret_basic' | 'client_secret_post';
  readonly redirectUri: string;
}

/** A running one, with a user `dwho`. */
export interface ForeignIssuer {
  readonly issuer: string;
  /** Of the provider in the gateway, beside the client. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Signs the user in; where the browser is sent back to. */
  signIn(address: URL): Promise<URL>;
}
