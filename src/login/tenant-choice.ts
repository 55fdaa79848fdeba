/** The choice of a tenant within a login: with it the account is known, and what that account has to prove. */
import type { Level } from '../core/proof.ts';
import { accountOf } from '../core/session.ts';
import type { PendingChange, PendingLogin } from '../sessions/pending.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { LoginsUnderWay } from './logins-under-way.ts';
import { type FactParts, hasFactor, termsOf } from './step-facts.ts';
import type { StepContext } from './step-result.ts';

/** What is to be proved before a password is changed: the factor of the account, where it has one. */
export async function levelBeforePassword(parts: FactParts, vouched: Vouched, context: StepContext): Promise<Level> {
  const isGuarded = await hasFactor(parts, accountOf(vouched), termsOf(parts, { vouched }, context));
  return Math.max(isGuarded ? 2 : 1, parts.door.levelFor(vouched, context.client)) as Level;
}

/** A login with the tenant that its user has picked; undefined where there is no choice to make, or it is none of the user's. */
export async function placeTurn(
  parts: FactParts,
  underWay: Pick<LoginsUnderWay, 'change'>,
  pending: PendingLogin,
  tenant: string,
  context: StepContext,
): Promise<PendingLogin | undefined> {
  const chosen = await choiceOf(parts, pending, tenant, context);
  // Of two tabs that choose at once one does: what was proved for one account is nothing for the other.
  const isOpen = ({ vouched }: PendingLogin): boolean => vouched.tenant === pending.vouched.tenant;
  return chosen && underWay.change(pending, (now) => (isOpen(now) ? chosen : {}));
}

async function choiceOf(
  parts: FactParts,
  { vouched, newPassword }: PendingLogin,
  tenant: string,
  context: StepContext,
): Promise<PendingChange | undefined> {
  const placed = parts.door.tenantsOf(vouched) === 'several' ? parts.door.placed(vouched, tenant) : undefined;
  if (!placed) return undefined;
  if (!newPassword) return { vouched: placed };
  return { vouched: placed, demand: { level: await levelBeforePassword(parts, placed, context) } };
}
