/** Makes the configured providers and their chain, and knows how each of them stands. */

import type { Clock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Provider } from '../core/provider.ts';
import type { Session } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import { type ChainLink, lookUpOne, standingAt } from '../providers/chain.ts';
import type { Breakers } from '../remote/breakers.ts';
import type { BreakerProbe, BreakerSnapshot, CircuitBreaker } from '../remote/circuit-breaker.ts';
import { withDeadline } from '../remote/deadline.ts';
import type { OutboundProxy } from '../remote/outbound-proxy.ts';
import { digestOf } from '../remote/server-identity.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { KnownProvider, ProviderFigure, ProviderFigures } from '../telemetry/provider-figures.ts';
import type { PasswordOptions } from '../users/password-options.ts';
import { type PasswordJudge, PasswordRules, wordsOfHost } from '../users/password-rules.ts';
import { askedChain } from './external.ts';
import { type LoginDocument, type ProviderDocument, providerKind } from './options.ts';

/** The providers of one configuration. */
export interface Providers {
  readonly chain: readonly ChainLink[];
  /** Every configured one, also those that only look users up. */
  readonly all: ReadonlyMap<string, Provider>;
  /** What users call one. */
  readonly label: (name: string) => string;
  /** How each of the chain stands; one without a circuit breaker is well. */
  status(): readonly ProviderStatus[];
  /** How each of them does, those included that only look users up; with what other processes know. */
  figures(ofOthers?: readonly KnownProvider[]): readonly (ProviderFigure & { name: string; type: string })[];
  /** Whether one is left alone because nobody answered there: neither slow once, nor refusing us. */
  isAway(provider: string): boolean;
  /** The provider that has to know the users of another, too; undefined where none is named. */
  mustKnow(provider: string): ChainLink | undefined;
  directoryOf(provider: string): ((username: string, signal: AbortSignal) => Promise<Outcome>) | undefined;
  /** Where the browser goes to sign out of the identity provider too. */
  logoutAddress(session: Session, returnTo: URL): Promise<URL | undefined>;
  /** Shows how the circuit breakers stand, and forgets those of other configurations, but for `others`; call it when this one answers. */
  putInPlace(others?: readonly string[]): void;
  close(): Promise<void>;
}

/** How one stands; `isOffline` where its users sign in without it meanwhile. */
interface ProviderStatus {
  readonly provider: string;
  readonly snapshot: BreakerSnapshot;
  readonly isOffline: boolean;
}

/** What of a configuration concerns providers. */
export interface ProvidersDocument {
  readonly login: LoginDocument;
  readonly providers: Readonly<Record<string, ProviderDocument>>;
  readonly server: { readonly publicUrl: URL; readonly outboundProxy?: OutboundProxy | undefined };
  readonly passwords: PasswordOptions;
  readonly pages: { readonly siteName: string; readonly language: string };
}

/** What providers need of the process. */
export interface ProviderServices {
  readonly log: Log;
  readonly clock: Clock;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly breakers: Breakers;
  readonly figures: ProviderFigures;
}

/** Makes all of them, or throws and leaves none open. */
export function buildProviders(document: ProvidersDocument, services: ProviderServices): Providers {
  const links = new Map<string, WatchedLink>();
  const identities = new Set<string>();
  const { pages, passwords: options } = document;
  const passwords = new PasswordRules(options, [pages.siteName, ...wordsOfHost(document.server.publicUrl.hostname)]);
  try {
    for (const [name, provider] of Object.entries(document.providers)) {
      const { login, server } = document;
      const identity = digestOf(name, provider, login.timeout, login.breaker, outboundOf(provider, server));
      identities.add(identity);
      links.set(name, linkOf({ name, identity, options: provider }, document, { ...services, passwords }, links));
    }
  } catch (error) {
    for (const { provider } of links.values()) void provider.close?.();
    throw error;
  }
  const all = new Map([...links].map(([name, { provider }]) => [name, provider]));
  const chain = askedChain(document).flatMap((name) => links.get(name) ?? []);
  return {
    chain,
    all,
    putInPlace: (others = []) => {
      services.breakers.retain(new Set([...identities, ...others]));
      services.figures.retain([...links.keys()]);
      for (const [name, { breaker, probe }] of links) {
        if (breaker) services.metrics.breaker(name, breaker.snapshot().state);
        if (probe) breaker?.watch(probe);
      }
    },
    label: (name) => document.providers[name]?.label ?? name,
    status: () =>
      chain.map(({ name, breaker }) => ({
        provider: name,
        snapshot: breaker?.snapshot() ?? { state: 'closed', failures: 0 },
        isOffline: document.login.offline?.providers.includes(name) === true && isAway(breaker),
      })),
    figures: (ofOthers) =>
      [...links].map(([name, { breaker }]) => {
        // A breaker may have gone on by its own looks.
        services.figures.stands(name, breaker?.snapshot());
        return { name, type: document.providers[name]?.type ?? '', ...services.figures.of(name, ofOthers) };
      }),
    isAway: (name) => isAway(links.get(name)?.breaker),
    mustKnow: (name) => links.get(document.providers[name]?.mustExistIn ?? ''),
    directoryOf: (name) => {
      const directory = links.get(document.providers[name]?.mustExistIn ?? '');
      return directory && ((username, signal) => lookUpOne(directory, username, signal, services.log));
    },
    logoutAddress: (session, returnTo) => logoutAddress(links.get(session.provider), session, returnTo, services.log),
    close: async () => {
      for (const { breaker, probe } of links.values()) if (probe) breaker?.unwatch(probe);
      await Promise.all([...all.values()].map((provider) => provider.close?.()));
    },
  };
}

function isAway(breaker: CircuitBreaker | undefined): boolean {
  const { state, reason } = breaker?.snapshot() ?? {};
  return state === 'open' && (reason === 'unreachable' || reason === 'timed-out');
}

/** The session is over whatever a provider says: one that fails or takes too long is no reason to keep the user waiting. */
async function logoutAddress(
  link: ChainLink | undefined,
  { assertion, grant }: Session,
  returnTo: URL,
  log: Log,
): Promise<URL | undefined> {
  if (!link?.provider.logout) return undefined;
  const { logout } = link.provider;
  try {
    return await withDeadline(undefined, link.timeout, () =>
      logout.call(link.provider, assertion, grant?.state, returnTo),
    );
  } catch (error) {
    log.warn({ provider: link.name, error }, 'a provider could not say where its logout is');
    return undefined;
  }
}

/** A link whose circuit breaker can look by itself whether the provider is back. */
interface WatchedLink extends ChainLink {
  readonly probe?: BreakerProbe;
}

/** What a provider needs for itself when it looks its users up elsewhere, in milliseconds. */
const besideLookup = 500;

function linkOf(
  { name, identity, options: document }: { name: string; identity: string; options: ProviderDocument },
  { login, server, providers }: ProvidersDocument,
  services: ProviderServices & { readonly passwords: PasswordJudge },
  links: ReadonlyMap<string, ChainLink>,
): WatchedLink {
  const kind = providerKind(document.type);
  if (!kind) throw new OperatorError(`providers.${name}: there is no type ${document.type}`);
  const { log, clock, store, passwords } = services;
  const { type: _type, on, label: _label, ...options } = document;
  const timeout = deadlineOf(document, login, providers);
  const needsNetwork = kind.needsNetwork ?? true;
  const providerLog = log.child({ provider: name });
  const provider = kind.create(
    { ...options, timeout, ...outboundOf(document, server) },
    {
      name,
      publicUrl: server.publicUrl,
      log: providerLog,
      onCertificate: (host, endsAt) => services.metrics.ends.serverCertificate(name, host, endsAt),
      clock,
      store,
      passwords,
      lookUp: (other, username, signal) => {
        const link = links.get(other);
        return link
          ? lookUpOne(link, username, signal, providerLog)
          : Promise.resolve({ kind: 'unavailable', reason: 'misconfigured' });
      },
      standing: (other, subject, state, signal) => {
        const link = links.get(other);
        return link
          ? standingAt(link, { subject, state }, signal, providerLog)
          : Promise.resolve({ kind: 'unavailable', reason: 'misconfigured' });
      },
    },
  );
  const { probe: every, ...settings } = login.breaker;
  const breaker = needsNetwork ? breakerOf(name, identity, settings, services) : undefined;
  const look = provider.ping?.bind(provider);
  const onAnswer = (outcome: Outcome, milliseconds: number): void => {
    services.figures.answered(name, outcome, milliseconds);
    services.figures.stands(name, breaker?.snapshot());
  };
  return { name, provider, breaker, timeout, on, needsNetwork, onAnswer, ...(look && { probe: { every, look } }) };
}

/** One that looks its users up elsewhere waits longer than that may take: the circuit breaker there counts only its own deadline. */
function deadlineOf(
  document: ProviderDocument,
  login: LoginDocument,
  providers: Readonly<Record<string, ProviderDocument>>,
): number {
  const kind = providerKind(document.type);
  // What answers from this machine alone has nothing to wait for: a limit would only tell a busy moment from a quiet one.
  const isSelfContained = kind?.needsNetwork === false && !('lookup' in kind.options.shape);
  if (isSelfContained && document.timeout === undefined) return Number.POSITIVE_INFINITY;
  const lookup = 'lookup' in document ? providers[String(document.lookup)] : undefined;
  const longest = lookup ? (lookup.timeout ?? login.timeout) + besideLookup : 0;
  return document.timeout ?? Math.max(login.timeout, longest);
}

/** A circuit breaker that shows how it stands; it goes on from the configuration before where the provider is configured as there. */
function breakerOf(
  name: string,
  identity: string,
  options: Omit<LoginDocument['breaker'], 'probe'>,
  { breakers, clock, log, metrics, figures }: ProviderServices,
): CircuitBreaker {
  return breakers.of(identity, {
    ...options,
    clock,
    onChange: (state, reason, isHeard) => {
      metrics.breaker(name, state);
      figures.stands(name, { state, failures: 0 });
      // Who was the first to know has said it.
      if (!isHeard) log.warn({ provider: name, state, reason }, 'the circuit breaker of a provider changed');
    },
  });
}

/** The way out, for a kind of provider that takes one: its own, else that of the whole site. */
function outboundOf(
  options: ProviderDocument,
  server: ProvidersDocument['server'],
): { readonly outboundProxy?: OutboundProxy } {
  if (!('outboundProxy' in (providerKind(options.type)?.options.shape ?? {}))) return {};
  const own = 'outboundProxy' in options ? (options.outboundProxy as OutboundProxy | undefined) : undefined;
  return { outboundProxy: own ?? server.outboundProxy ?? false };
}
