/** Who a user would be where no password is there: the directories of a chain are asked by the name. */
import type { Outcome, ProviderStep } from '../core/outcome.ts';
import { type ChainLink, type ChainResult, lookUpOne } from '../providers/chain.ts';

/** What a chain has said, as far as it tells who somebody is. */
export type ChainAnswer = Pick<ChainResult, 'outcome' | 'steps' | 'provider' | 'rejection'>;

/** Asks each provider of the chain for the user's entry, in order, until one has it. */
export async function lookUpAlong(user: string, chain: readonly ChainLink[]): Promise<ChainAnswer> {
  const steps: ProviderStep[] = [];
  let unsettled: Outcome = { kind: 'unknown-user' };
  for (const link of chain) {
    if (!link.provider.lookUp) continue;
    const startedAt = performance.now();
    const outcome = await lookUpOne(link, user, new AbortController().signal);
    const milliseconds = Math.round((performance.now() - startedAt) * 10) / 10;
    const reason = 'reason' in outcome ? outcome.reason : undefined;
    steps.push({ provider: link.name, outcome: outcome.kind, milliseconds, ...(reason && { reason }) });
    if (outcome.kind === 'authenticated') return { outcome, provider: link.name, steps };
    if (outcome.kind === 'unavailable') unsettled = outcome;
  }
  return { outcome: unsettled, steps };
}
