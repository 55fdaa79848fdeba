/** Raising the session of somebody who is signed in: what is asked for follows from where they want to go, not from what the address says. */
import type { Level } from '../core/proof.ts';
import type { HeaderLines } from '../core/request-head.ts';
import { type Demand, shortfall } from '../policy/levels.ts';
import { safeReturnTo } from '../routing/return-to.ts';
import { handoverPath } from './addresses.ts';
import { type PortalParts, type PortalRequest, queryValue } from './context.ts';
import { type LoopParts, redirectInLoop } from './redirect-loop.ts';
import { redirect } from './send-page.ts';
import { answerStep, type StepParts, stepContext } from './step-answer.ts';

/** What a step-up is made with. */
export type StepUpParts = StepParts &
  LoopParts &
  Pick<PortalParts, 'steps' | 'worth' | 'demandAt' | 'handovers' | 'posts'>;

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
  return answerStep(
    parts,
    visit,
    await parts.steps.beginStepUp({ session, demand, returnTo }, stepContext(parts, visit)),
  );
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
