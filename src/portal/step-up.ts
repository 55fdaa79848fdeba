/** Raising the session of somebody who is signed in: what is asked for follows from where they want to go, not from what the address says. */
import type { Level } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Session } from '../core/session.ts';
import { type StepResult, withCookies } from '../login/step-result.ts';
import { type Demand, shortfall } from '../policy/levels.ts';
import { safeReturnTo } from '../routing/return-to.ts';
import { handoverPath } from './addresses.ts';
import { type PortalParts, type PortalRequest, queryValue } from './context.ts';
import { depart, levelToAsk } from './departure.ts';
import { type LoopParts, redirectInLoop, showLoop } from './redirect-loop.ts';
import { redirect } from './send-page.ts';
import { answerStep, type StepParts, stepContext } from './step-answer.ts';

/** What a step-up is made with. */
export type StepUpParts = StepParts &
  LoopParts &
  Pick<PortalParts, 'steps' | 'worth' | 'demandAt' | 'handovers' | 'posts' | 'log' | 'flows' | 'flowStates'>;

/** Begins one, or leads on where there is nothing to raise. */
export async function beginStepUp(parts: StepUpParts, visit: PortalRequest): Promise<void> {
  const { request, response, headers, context } = visit;
  const returnTo = safeReturnTo(queryValue(request, 'return'), parts.publicUrl);
  const session = await parts.authenticator.visitor(headers, context.target);
  const here = request.url;
  if (!session) return redirect(request, response, `/_gate/login?${new URLSearchParams({ return: here })}`);
  const asked = safeReturnTo(queryValue(request, 'for') ?? returnTo, parts.publicUrl);
  const demand = raisedTo(await demandFor(parts, headers, asked), queryValue(request, 'level'));
  const lack = shortfall(session.proofs, demand, parts.worth, parts.clock.now());
  if (lack === undefined) return redirectInLoop(parts, visit, returnTo, session);
  if (!takesFactor(demand))
    return redirect(request, response, `/_gate/login?${new URLSearchParams({ return: returnTo, confirm: '1' })}`);
  const wish = { session, demand, returnTo };
  const link = parts.signIn.chain.find(({ name }) => name === session.provider);
  // A location that names factors means those that are asked for here.
  const level = link && !demand.factors?.length ? levelToAsk(link, demand.level ?? 1) : undefined;
  if (!link || level === undefined) return stepUpHere(parts, visit, wish);
  const browser = parts.browsers.recognise(headers);
  if (await parts.flows.isLooping(browser.id, context.client.address)) return showLoop(parts, visit, returnTo, session);
  const trip = { returnTo, demand, confirming: session, browser, level, chosen: true, restarts: 0 };
  const failed = await depart(parts, link, visit, trip);
  if (!failed) return;
  const { outcome } = failed;
  const isAway = outcome.kind === 'unavailable';
  await stepUpHere(parts, visit, wish, { reason: isAway ? outcome.reason : 'level-too-low', isAway });
}

/** Asks for a factor of the user's own; `instead` where the identity provider was to raise the session and has not. */
export async function stepUpHere(
  parts: StepUpParts,
  visit: PortalRequest,
  wish: { readonly session: Session; readonly demand: Demand; readonly returnTo: string },
  instead?: { readonly reason: Reason; readonly isAway?: boolean; readonly cookies?: readonly string[] },
): Promise<void> {
  const result = await parts.steps.beginStepUp(wish, stepContext(parts, visit));
  if (!instead) return answerStep(parts, visit, result);
  const { reason, isAway = false, cookies = [] } = instead;
  const hasNone =
    result.kind === 'over' && (result.reason === 'factor-missing' || result.reason === 'enrolment-closed');
  const told: StepResult = !hasNone ? result : isAway ? { kind: 'unavailable', reason } : { ...result, reason };
  return answerStep(parts, visit, withCookies(told, cookies));
}

/** What the location of an address asks for; of a saved form and of a hand-over the one that they lead to. */
export async function demandFor(
  { demandAt, handovers, posts }: Pick<StepUpParts, 'demandAt' | 'handovers' | 'posts'>,
  headers: HeaderLines,
  address: string,
): Promise<Demand> {
  const { pathname, searchParams } = new URL(address, 'http://gateway.invalid');
  if (pathname === '/_gate/replay') {
    const action = await posts.actionOf(headers, searchParams.get('id') ?? '');
    return action === undefined ? {} : demandAt(action);
  }
  if (pathname !== handoverPath) return demandAt(address);
  const handover = await handovers.find(searchParams.get('nonce') ?? undefined);
  return handover ? demandAt(handover.asks ?? handover.returnTo, handover.host) : {};
}

/** A level in the address is what an application asks for by itself: it can only raise. */
function raisedTo(demand: Demand, text: string | undefined): Demand {
  const level = Math.max(demand.level ?? 1, text === '2' || text === '3' ? Number(text) : 1) as Level;
  return level === 1 ? demand : { ...demand, level };
}

function takesFactor({ level = 1, factors = [] }: Demand): boolean {
  return level > 1 || factors.length > 0;
}
