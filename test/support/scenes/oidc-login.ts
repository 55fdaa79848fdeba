/** An OpenID Connect provider as the gateway makes one, and logins by it without a gateway around. */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { Log } from '../../../src/core/log.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Provider } from '../../../src/core/provider.ts';
import type { Store } from '../../../src/core/store.ts';
import { oidc } from '../../../src/providers/oidc/index.ts';
import { createStore } from '../../../src/store/index.ts';
import type { Idp, Person } from '../servers/oidc-provider.ts';
import { type AttemptParts, attemptOf } from '../tools/attempt.ts';
import { keptLog } from '../tools/log-lines.ts';
import { anyPassword } from '../tools/password-judges.ts';

/** The name of the provider, as the identity provider of the tests expects it. */
export const name = 'under-test';

/** What a provider under test is made with. */
export interface OidcParts {
  readonly log?: Log;
  readonly clock?: Clock;
  readonly store?: Store;
}

/** Makes a provider from options as they stand in a configuration; it closes with the test. */
export async function oidcProvider(
  t: TestContext,
  options: Readonly<Record<string, unknown>>,
  { log = keptLog(), clock = systemClock, store }: OidcParts = {},
): Promise<Required<Provider>> {
  const kept = store ?? (await createStore({ type: 'memory' }, { clock, log }));
  const provider = oidc.create(oidc.options.parse(options), {
    name,
    log,
    clock,
    store: kept,
    publicUrl: new URL('http://gate.test'),
    lookUp: async () => ({ kind: 'unavailable', reason: 'misconfigured' }),
    passwords: anyPassword,
    standing: async () => ({ kind: 'unavailable', reason: 'misconfigured' }),
  });
  t.after(() => provider.close?.());
  return provider as Required<Provider>;
}

/** A trip to the identity provider that has begun. */
export interface Trip {
  readonly url: URL;
  readonly state: unknown;
  readonly flow: string;
}

/** Begins a login; fails when the provider does not send the browser away. */
export async function begin(provider: Provider, parts: AttemptParts = {}): Promise<Trip> {
  const flow = randomBytes(16).toString('base64url');
  const outcome = await provider.attempt(attemptOf({ stage: 'start', flow, ...parts }));
  if (outcome.kind !== 'continue' || outcome.offer.via !== 'redirect')
    throw new Error(`the login did not begin: ${JSON.stringify(outcome)}`);
  return { url: outcome.offer.url, state: outcome.state, flow };
}

/** The attempt of somebody who is back from the identity provider. */
export async function comeBack(
  provider: Provider,
  person: Person,
  login: string,
  parts: AttemptParts = {},
): Promise<AttemptParts> {
  const trip = await begin(provider, parts);
  return { stage: 'callback', state: trip.state, url: await person.signIn(trip.url, login) };
}

/** A whole login. */
export async function signIn(provider: Provider, idp: Idp, login: string): Promise<Outcome> {
  return provider.attempt(attemptOf(await comeBack(provider, idp.person(), login)));
}
