/** Where a browser that is remembered takes the place of the factor that a login is about to ask for. */
import type { Clock } from '../core/clock.ts';
import { type Proof, withProof } from '../core/proof.ts';
import { type Demand, shortfall, type Worth } from '../policy/levels.ts';
import type { PendingLogin } from '../sessions/pending.ts';
import type { LoginDoor } from './admit.ts';
import { type RememberedBrowsers, rememberedProof } from './remembered.ts';
import type { StepContext } from './step-result.ts';
import type { Step } from './steps.ts';

/** What it takes. */
export interface RecallParts {
  readonly clock: Clock;
  readonly worth: Worth;
  readonly door: Pick<LoginDoor, 'levelFor'>;
  readonly remembered: Pick<RememberedBrowsers, 'recall' | 'remember' | 'isWished'>;
}

const asking: ReadonlySet<Step['kind']> = new Set(['ask', 'choose', 'answer']);

/**
 * The proof, and the cookies of the browser. Undefined where the step asks for something else, where that would not be enough, as
 * for level 3 or a proof of a moment ago, and before a new password, which who has found the old one must not set.
 */
export async function recallTurn(
  { clock, worth, door, remembered }: RecallParts,
  { demand: asked, vouched, proofs, newPassword }: PendingLogin,
  step: Step,
  context: StepContext,
): Promise<{ readonly proof: Proof; readonly cookies: readonly string[] } | undefined> {
  if (!asking.has(step.kind) || newPassword !== undefined) return undefined;
  const demand: Demand = asked ?? { level: door.levelFor(vouched, context.client) };
  const now = clock.now();
  const would = withProof(proofs, rememberedProof(vouched.tenant, now));
  if (demand.maxAge !== undefined || shortfall(would, demand, worth, now) !== undefined) return undefined;
  return remembered.recall(vouched, context);
}
