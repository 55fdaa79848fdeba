/**
 * A real OpenID provider (the package oidc-provider) on a free port, which can also be made to lie, to be away, to hang and to
 * change its keys; and people who sign in there.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { importJWK, type JWK, SignJWT } from 'jose';
import { interactionPolicy, Provider } from 'oidc-provider';
import { Agent, request } from 'undici';
import { testCertificates } from '../tools/certificates.ts';

/** Claims by the login of a user; every one may sign in with any password. */
export type People = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** What an OpenID provider is made of. */
export interface IdpOptions {
  readonly people?: People;
  /** Over https, with the good certificate of `certificates.ts`. */
  readonly https?: boolean;
  readonly clientAuth?: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none';
  /** The public key of a client with private_key_jwt. */
  readonly clientKey?: JWK;
  /** Access tokens are JWTs for this audience. */
  readonly audience?: string;
  /** Claims of the access tokens that are JWTs. */
  readonly tokenClaims?: (login: string) => Record<string, unknown>;
  readonly par?: boolean;
  /** Seconds that an access token lives. */
  readonly accessTokenSeconds?: number;
  /** Starts away: nothing listens on its port until `up`. */
  readonly isDown?: boolean;
  /** The class of a login, by its user and the classes asked for; who has another one than asked for is asked to sign in again. */
  readonly classOf?: (login: string, asked: readonly string[]) => string | undefined;
  /** Listens on a second port too, in clear, as behind the name that only servers of the site know. */
  readonly hasInternal?: boolean;
}

/** A running OpenID provider. */
export interface Idp {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The options of an `oidc` provider that fit; the addresses must be registered too. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Requests so far, as `POST /token`. */
  readonly requests: string[];
  /** Its second address, where it has one, and the requests that came there and nowhere else. */
  readonly internalUrl: string;
  readonly internalRequests: string[];
  /** Changes a JSON answer before it goes out. */
  tamper: ((path: string, body: Record<string, unknown>) => Record<string, unknown>) | undefined;
  /** Answers nothing at these paths: connections are taken and stay silent. */
  silent: (path: string) => boolean;
  /** Answers in its place; false where it is to answer itself. */
  instead: (path: string, response: ServerResponse) => boolean;
  /** Changes what is known of its users. */
  setPeople(people: People): void;
  /** Tells it the addresses of a gateway. */
  register(gateway: URL, name: string): void;
  /** Signs with another key from here on; the old one is no longer published. */
  rotateKeys(): void;
  /** Sends a logout token to the registered address. */
  sendLogout(sub: string, sid: string): Promise<void>;
  /** Any JWT, signed with the key that it publishes. */
  sign(claims: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** Somebody with a browser. */
  person(): Person;
  down(): Promise<void>;
  up(): Promise<void>;
}

const clientId = 'gatehouse';
const clientSecret = 'client-7f21b09c4d55e6';
const scope = 'openid profile email offline_access';

/** Starts one that ends with the test. */
export async function startIdp(t: TestContext, options: IdpOptions = {}): Promise<Idp> {
  const idp = new TestIdp(options);
  await idp.up();
  t.after(() => idp.down());
  if (options.isDown) await idp.down();
  return idp;
}

class TestIdp implements Idp {
  readonly clientId = clientId;
  readonly clientSecret = clientSecret;
  readonly requests: string[] = [];
  readonly internalRequests: string[] = [];
  internalUrl = '';
  tamper: Idp['tamper'];
  silent: Idp['silent'] = () => false;
  instead: Idp['instead'] = () => false;
  readonly #options: IdpOptions;
  readonly #sockets = new Set<Socket>();
  #server: ReturnType<typeof createServer> | undefined;
  #port = 0;
  #people: People;
  #key: JWK = firstKey();
  #redirectUri = 'http://gate.test/_gate/callback/under-test';
  #logoutUri = 'http://127.0.0.1:9/_gate/backchannel/under-test';
  #provider: Provider | undefined;
  #answer: RequestListener = (_request, response) => void response.writeHead(503).end();

  constructor(options: IdpOptions) {
    this.#options = options;
    this.#people = options.people ?? {};
  }

  get issuer(): string {
    return `${this.#options.https ? 'https' : 'http'}://127.0.0.1:${this.#port}`;
  }

  get options(): Readonly<Record<string, unknown>> {
    const { https, clientAuth } = this.#options;
    const hasSecret = clientAuth === undefined || clientAuth.startsWith('client_secret');
    return {
      issuer: this.issuer,
      ...(https ? { ca: testCertificates().ca } : { insecureIssuer: true }),
      clientId,
      ...(hasSecret && { clientSecret }),
      ...(clientAuth && { clientAuth }),
    };
  }

  async up(): Promise<void> {
    if (this.#server) return;
    const { certificate, key } = testCertificates().good;
    const listener: RequestListener = (request, response) => this.#serve(request, response);
    const server = this.#options.https
      ? createHttpsServer({ cert: readFileSync(certificate), key: readFileSync(key) }, listener)
      : createServer(listener);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    if (this.#options.hasInternal) await this.#openInternal();
    if (!this.#provider) this.#build();
  }

  async down(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #openInternal(): Promise<void> {
    const server = createServer((request, response) => {
      this.internalRequests.push(`${request.method} ${(request.url ?? '/').split('?')[0]}`);
      this.#serve(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.internalUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server?.once('close', () => {
      server.closeAllConnections();
      server.close();
    });
  }

  setPeople(people: People): void {
    this.#people = people;
  }

  register(gateway: URL, name: string): void {
    this.#redirectUri = new URL(`/_gate/callback/${name}`, gateway).href;
    this.#logoutUri = new URL(`/_gate/backchannel/${name}`, gateway).href;
    this.#build();
  }

  rotateKeys(): void {
    this.#key = newKey();
    this.#build();
  }

  async sendLogout(sub: string, sid: string): Promise<void> {
    await (await this.#provider?.Client.find(clientId))?.backchannelLogout(sub, sid);
  }

  async sign(claims: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> {
    const { kid = '' } = this.#key;
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid, ...header })
      .sign(await importJWK(this.#key, 'RS256'));
  }

  person(): Person {
    return new Person(this.issuer);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    this.requests.push(`${request.method} ${path}`);
    if (this.silent(path) || this.instead(path, response)) return;
    const end = response.end.bind(response);
    response.end = ((body?: unknown, ...rest: unknown[]) => {
      const isJson = String(response.getHeader('content-type') ?? '').includes('json');
      const changed =
        this.tamper && isJson && body ? Buffer.from(JSON.stringify(this.tamper(path, JSON.parse(String(body))))) : body;
      if (changed !== body) response.setHeader('content-length', (changed as Buffer).length);
      return (end as (...values: unknown[]) => ServerResponse)(changed, ...rest);
    }) as typeof response.end;
    if (this.#options.classOf && request.method === 'POST' && path.startsWith('/interaction/'))
      void this.#signIn(this.#options.classOf, request, response);
    else void this.#answer(request, response);
  }

  /** Takes its own form in the place of the package, which knows no classes. */
  async #signIn(classOf: NonNullable<IdpOptions['classOf']>, request: IncomingMessage, response: ServerResponse) {
    const accountId = new URLSearchParams(await text(request)).get('login') ?? '';
    const { params } = (await this.#provider?.interactionDetails(request, response)) ?? {};
    const acr = classOf(accountId, params?.acr_values?.split(' ') ?? []);
    await this.#provider?.interactionFinished(request, response, { login: { accountId, ...(acr && { acr }) } });
  }

  #build(): void {
    const provider = quietly(() => new Provider(this.issuer, this.#configuration()));
    const answer = provider.callback();
    this.#provider = provider;
    this.#answer = (request, response) => void answer(request, response);
  }

  #configuration(): object {
    const {
      clientAuth = 'client_secret_basic',
      clientKey,
      audience,
      tokenClaims,
      par = true,
      accessTokenSeconds = 600,
    } = this.#options;
    const gateway = new URL(this.#redirectUri).origin;
    const resource = 'urn:gatehouse:api';
    return {
      clients: [
        {
          client_id: clientId,
          ...(clientAuth.startsWith('client_secret') && { client_secret: clientSecret }),
          ...(clientKey && { jwks: { keys: [clientKey] } }),
          token_endpoint_auth_method: clientAuth,
          redirect_uris: [this.#redirectUri],
          post_logout_redirect_uris: [`${gateway}/`],
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
          backchannel_logout_uri: this.#logoutUri,
          backchannel_logout_session_required: true,
        },
      ],
      jwks: { keys: [this.#key] },
      ...(this.#options.classOf && {
        acrValues: ['gold', 'silver', 'phrh'],
        interactions: { policy: policyOfClasses() },
      }),
      cookies: { keys: ['cookie-key-of-a-test'] },
      claims: {
        openid: ['sub'],
        profile: ['name', 'preferred_username', 'groups', 'realm_access'],
        email: ['email', 'email_verified'],
      },
      conformIdTokenClaims: false,
      findAccount: (_context: unknown, id: string) => ({
        accountId: id,
        claims: () => ({ sub: id, ...this.#people[id] }),
      }),
      extraTokenClaims: (_context: unknown, token: { accountId?: string }) => tokenClaims?.(token.accountId ?? ''),
      issueRefreshToken: () => true,
      rotateRefreshToken: true,
      // Everybody has consented to everything.
      loadExistingGrant: async (context: OidcContext) => {
        const { provider, session, client } = context.oidc;
        const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
        grant.addOIDCScope(scope);
        if (audience) grant.addResourceScope(resource, 'api');
        await grant.save();
        return grant;
      },
      features: {
        introspection: { enabled: true },
        revocation: { enabled: true },
        clientCredentials: { enabled: true },
        backchannelLogout: { enabled: true },
        pushedAuthorizationRequests: { enabled: par },
        rpInitiatedLogout: { enabled: true },
        ...(audience && {
          resourceIndicators: {
            enabled: true,
            defaultResource: () => resource,
            useGrantedResource: () => true,
            getResourceServerInfo: () => ({
              scope: 'api',
              audience,
              accessTokenFormat: 'jwt',
              jwt: { sign: { alg: 'RS256' } },
            }),
          },
        }),
      },
      ttl: {
        AccessToken: accessTokenSeconds,
        Grant: 3600,
        IdToken: 600,
        Interaction: 600,
        RefreshToken: 3600,
        Session: 3600,
        AuthorizationCode: 60,
      },
      // Its own refuses the loopback addresses that the tests live on.
      fetch: (url: string, init: RequestInit & { dispatcher?: unknown }) => {
        const { dispatcher: _dispatcher, ...rest } = init;
        return fetch(url, rest);
      },
    };
  }
}

interface OidcContext {
  readonly oidc: {
    readonly provider: Provider;
    readonly session: { readonly accountId: string; readonly acr?: string };
    readonly params: { readonly acr_values?: string };
    readonly result?: { readonly login?: object };
    readonly client: { readonly clientId: string };
  };
}

let first: JWK | undefined;

/** The key that providers of a test file begin with: making one takes longer than a login. */
function firstKey(): JWK {
  first ??= newKey();
  return first;
}

function newKey(): JWK {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    ...(privateKey.export({ format: 'jwk' }) as JWK),
    kid: randomBytes(6).toString('hex'),
    alg: 'RS256',
    use: 'sig',
  };
}

/** Asks whoever has not the class that is asked for, as an issuer with a second factor does. */
function policyOfClasses() {
  const policy = interactionPolicy.base();
  const isMissing = (context: unknown): boolean => {
    const { params, session, result } = (context as OidcContext).oidc;
    const asked = params.acr_values?.split(' ') ?? [];
    return asked.length > 0 && !asked.includes(session.acr ?? '') && !result?.login;
  };
  policy.get('login').checks.add(new interactionPolicy.Check('acr_missing', 'the class is missing', isMissing));
  return policy;
}

/** The package advises on the console against what a test is made of. */
function quietly<T>(make: () => T): T {
  const { info, warn } = console;
  console.info = () => undefined;
  console.warn = () => undefined;
  try {
    return make();
  } finally {
    Object.assign(console, { info, warn });
  }
}

/** Somebody with a browser at the identity provider: keeps its cookies, follows its redirects, fills in its forms. */
export class Person {
  readonly #issuer: string;
  readonly #cookies = new Map<string, string>();

  constructor(issuer: string) {
    this.#issuer = issuer;
  }

  /** Opens the address that the gateway sends to, signs in, and gives the address that the provider sends back to. */
  async signIn(address: URL | string, login: string): Promise<URL> {
    let next = new URL(address);
    for (let step = 0; step < 12; step++) {
      if (next.origin !== this.#issuer) return next;
      const answer = await this.#ask('GET', next);
      if (answer.location) next = answer.location;
      else if (/name="login"/.test(answer.text))
        next = await this.#submit(answer.text, next, { prompt: 'login', login, password: 'any' });
      else throw new Error(`${next.pathname} is answered with ${answer.status}: ${answer.text.slice(0, 400)}`);
    }
    throw new Error('the identity provider sends round in circles');
  }

  /** Signs out at the provider, as its own page does; gives the address that it sends back to. */
  async signOut(address: URL | string): Promise<URL> {
    const first = await this.#ask('GET', new URL(address));
    const xsrf = /name="xsrf" value="([^"]*)"/.exec(first.text)?.[1] ?? '';
    return this.#submit(first.text, new URL(address), { xsrf, logout: 'yes' });
  }

  async #submit(page: string, base: URL, fields: Record<string, string>): Promise<URL> {
    const action = /action="([^"]*)"/.exec(page)?.[1];
    if (action === undefined) throw new Error(`there is no form: ${page.slice(0, 400)}`);
    const { location, status, text } = await this.#ask(
      'POST',
      new URL(action, base),
      new URLSearchParams(fields).toString(),
    );
    if (!location) throw new Error(`the form is answered with ${status}: ${text.slice(0, 400)}`);
    return location;
  }

  async #ask(method: 'GET' | 'POST', url: URL, body?: string) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const dispatcher = new Agent({
      connect: { ca: url.protocol === 'https:' ? readFileSync(testCertificates().ca) : '' },
      pipelining: 0,
    });
    const response = await request(url, {
      method,
      dispatcher,
      headers: {
        accept: 'text/html',
        ...(cookie && { cookie }),
        ...(body && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      ...(body && { body }),
    });
    const text = await response.body.text();
    await dispatcher.close();
    for (const line of [response.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const { location } = response.headers;
    return {
      status: response.statusCode,
      text,
      location: typeof location === 'string' ? new URL(location, url) : undefined,
    };
  }
}
