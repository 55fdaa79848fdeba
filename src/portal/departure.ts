/** The way to an identity provider: what it is asked for, and what is kept of it until the browser is back. */
import type { Level } from '../core/proof.ts';
import type { Session } from '../core/session.ts';
import { headOf } from '../edge/head-of.ts';
import type { Browsers } from '../login/browser.ts';
import type { Flow } from '../login/flows.ts';
import { attemptOne, type ChainLink, type ChainResult } from '../providers/chain.ts';
import type { PortalParts, PortalRequest } from './context.ts';
import { redirect } from './send-page.ts';

/** Who leaves for an identity provider, and what for. */
interface Departure extends Pick<Flow, 'returnTo' | 'demand' | 'asked'> {
  /** The user has picked the provider. */
  readonly chosen: boolean;
  /** How often a login that had been forgotten has begun anew. */
  readonly restarts: number;
  /** The session whose user proves who they are once more. */
  readonly confirming?: Session | undefined;
  readonly browser: ReturnType<Browsers['recognise']>;
  /** The level that the word of the provider is to be worth. */
  readonly level?: Level | undefined;
}

/** The level that an identity provider is asked for where one is wanted: the lowest that will do of those that it is configured for. */
export function levelToAsk({ provider }: ChainLink, wanted: Level): Level | undefined {
  return wanted === 1 ? undefined : provider.asksFor?.find((level) => level >= wanted);
}

/** Sends the browser there; what came instead where that cannot be. */
export async function depart(
  parts: Pick<PortalParts, 'flowStates' | 'flows' | 'signIn' | 'log'>,
  link: ChainLink,
  visit: PortalRequest,
  { returnTo, chosen, restarts, confirming, browser, level, demand, asked }: Departure,
): Promise<ChainResult | undefined> {
  const { request, response, context } = visit;
  const { id, name } = parts.flowStates.make(browser.id, returnTo, restarts);
  const plain = { headers: headOf(request), signal: context.signal };
  const attempt = parts.signIn.attempt('start', plain, context.client, request.url);
  // Who raises a session may be remembered there, unless the location wants a proof of late.
  const fresh = confirming !== undefined && demand === undefined;
  const maxAge = demand?.maxAge;
  const terms = {
    ...{ flow: name, chosen },
    ...(fresh && { fresh }),
    ...(level !== undefined && { level, ...(maxAge !== undefined && { maxAge }) }),
  };
  const result = await attemptOne(link, { ...attempt, ...terms }, parts.log);
  const { outcome } = result;
  if (outcome.kind !== 'continue' || outcome.offer.via !== 'redirect') return result;
  const { state, offer } = outcome;
  const aim = { returnTo, ...(confirming && { confirming: confirming.id }), ...(demand && { demand }) };
  const flow = { provider: link.name, state, ...aim, ...(asked && { asked }) };
  await parts.flows.begin(browser.id, id, flow, context.client.address);
  redirect(request, response, offer.url.href, browser.cookie ? { 'set-cookie': browser.cookie } : {});
  return undefined;
}
