/** OpenID Connect: the code flow with PKCE, refresh, logout in both directions, and bearer tokens of API clients. */
import type { Outcome } from '../../core/outcome.ts';
import type { Assertion } from '../../core/principal.ts';
import type { Level } from '../../core/proof.ts';
import type { Attempt, LogoutNotice, LogoutRequest, ProbeStep, Provider } from '../../core/provider.ts';
import { withDeadline } from '../../remote/deadline.ts';
import { HttpClient } from '../../remote/http-client.ts';
import { defineProvider, type ProviderContext, timeForWork, usualTimeout } from '../define.ts';
import { AssertionReader } from './assertion-reader.ts';
import { clearAddress, internalFetch } from './back-channel.ts';
import { Bearer, bearerTokenIn } from './bearer.ts';
import { CodeFlow } from './code-flow.ts';
import { oidcFailure, rejection } from './failure.ts';
import { Issuer } from './issuer.ts';
import { Logout } from './logout.ts';
import { checkOidcOptions, type OidcOptions, oidcOptions } from './options.ts';
import { type IssuerProbePlan, probeIssuer } from './probe.ts';
import { TokenRefresher } from './refresh.ts';
import { RelyingParty } from './relying-party.ts';

/** An OpenID Connect identity provider. */
export const oidc = defineProvider({
  options: oidcOptions,
  isFederated: true,
  checkTogether: checkOidcOptions,
  create: (options, context) => new OidcProvider(options, context),
});

class OidcProvider implements Provider {
  readonly asksFor: readonly Level[];
  readonly #context: ProviderContext;
  readonly #timeout: number;
  readonly #startUrl: URL;
  readonly #http: HttpClient;
  readonly #issuer: Issuer;
  readonly #codeFlow: CodeFlow;
  readonly #refresher: TokenRefresher;
  readonly #logout: Logout;
  readonly #bearer: Bearer | undefined;
  readonly #plan: IssuerProbePlan;

  constructor(options: OidcOptions, context: ProviderContext) {
    const { name, publicUrl, clock, log, store, onCertificate } = context;
    const { timeout = usualTimeout, outboundProxy = false, ca, pins } = options;
    this.#context = context;
    this.asksFor = ([2, 3] as const).filter((level) => options.acrValues?.[level] !== undefined);
    this.#timeout = timeForWork(timeout);
    this.#startUrl = new URL(`/_gate/start/${encodeURIComponent(name)}`, publicUrl);
    this.#http = new HttpClient({ ca, pins, timeout, keepAlive: true, outboundProxy, onCertificate });
    const fetch = internalFetch(options, this.#http.fetch);
    const relying = new RelyingParty(options, fetch, timeout);
    const isInsecure = options.insecureIssuer;
    const issuer = new Issuer({ addresses: options, isInsecure, fetch: this.#http.fetch, timeout, clock, log });
    const identity = new AssertionReader(options, { realm: name, clock, log });
    this.#issuer = issuer;
    this.#codeFlow = new CodeFlow({ options, issuer, relying, identity, clock });
    this.#refresher = new TokenRefresher({ issuer, relying, identity, clock, timeout });
    this.#logout = new Logout({ name, options, issuer, relying, store, clock });
    const { bearer } = options;
    this.#bearer = bearer && new Bearer({ options, bearer, rules: identity.rules, issuer, relying, clock });
    const callbackUrl = new URL(`/_gate/callback/${encodeURIComponent(name)}`, publicUrl);
    this.#plan = { options, issuer, relying, fetch, callbackUrl, timeout, clock };
    const clear = clearAddress(options);
    if (clear)
      log.warn(
        { key: clear },
        'tokens and keys of the issuer cross the network unprotected and can be forged; use https',
      );
  }

  async attempt(attempt: Attempt): Promise<Outcome> {
    switch (attempt.stage) {
      case 'ambient':
        return this.#ambient(attempt);
      case 'credentials':
        return this.#offer();
      case 'start':
        return this.#within(attempt.signal, 'login', (signal) => this.#codeFlow.start(attempt, signal));
      case 'callback':
        return this.#within(attempt.signal, 'login', (signal) => this.#codeFlow.finish(attempt, signal));
      default:
        return attempt.stage satisfies never;
    }
  }

  async refresh(assertion: Assertion, state: unknown, signal: AbortSignal): Promise<Outcome> {
    return this.#refresher.refresh(assertion, state, signal);
  }

  async logout(_assertion: Assertion, state: unknown, returnTo: URL): Promise<URL | undefined> {
    return this.#logout.addressFor(state, returnTo);
  }

  async readLogout(request: LogoutRequest): Promise<LogoutNotice> {
    return this.#logout.read(request);
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#issuer.ping(signal);
  }

  probe(signal: AbortSignal): AsyncIterable<ProbeStep> {
    return probeIssuer(this.#plan, signal);
  }

  /** Lets refreshes come home first: what they bring may be the only token left. */
  async close(): Promise<void> {
    this.#issuer.close();
    await this.#refresher.whenDone();
    await this.#http.close();
  }

  async #ambient({ headers, signal, certificate }: Attempt): Promise<Outcome> {
    const token = this.#bearer && bearerTokenIn(headers.single('authorization'));
    if (!this.#bearer || token === undefined)
      return signal.aborted ? this.#within(signal, 'login', async () => this.#offer()) : this.#offer();
    const bearer = this.#bearer;
    const outcome = await this.#within(signal, 'bearer token', async (work) => {
      if (token === '') throw rejection('token-rejected', 'bearer token: it is none by its spelling or its length');
      return bearer.check(token, work, certificate);
    });
    return outcome.kind === 'challenge' ? this.#offer() : outcome;
  }

  #offer(): Outcome {
    return { kind: 'challenge', offers: [{ via: 'redirect', url: this.#startUrl }] };
  }

  async #within(signal: AbortSignal, what: string, work: (signal: AbortSignal) => Promise<Outcome>): Promise<Outcome> {
    try {
      return await withDeadline(signal, this.#timeout, (deadline) => work(deadline.signal));
    } catch (error) {
      const failure = oidcFailure(error, what);
      // What is unavailable is logged by whoever asked; why somebody was refused is known here only.
      if (failure.kind === 'rejected') {
        const { reason, message: detail, hint } = failure;
        this.#context.log.warn({ reason, detail, hint }, `a ${what} was refused`);
      }
      return failure.toOutcome();
    }
  }
}
