/** What second factors and the levels that ask for them contradict, each at the key that is wrong. */
import type { RefinementCtx } from 'zod';
import { type FactorDocument, type FactorRules, factorKind } from '../factors/options.ts';

interface CheckedFactors {
  readonly server: { readonly publicUrl: URL };
  readonly providers: Readonly<Record<string, unknown>>;
  readonly factors: Readonly<Record<string, FactorDocument>>;
  readonly factorRules: FactorRules;
}

/** Reports every contradiction. */
export function checkFactors(document: CheckedFactors, context: RefinementCtx): void {
  const report = (path: (string | number)[], message: string, hint?: string, other?: (string | number)[]): void =>
    context.addIssue({ code: 'custom', path, message, input: document, params: { hint, other } });
  for (const [name, options] of Object.entries(document.factors)) {
    if (Object.hasOwn(document.providers, name))
      report(
        ['factors', name],
        'has the name of a provider: proofs are told apart by it',
        'give the factor another name',
        ['providers', name],
      );
    for (const { key, message, hint } of factorKind(options.type)?.checkTogether?.(options, document.server) ?? [])
      report(['factors', name, ...key.split('.')], message, hint);
  }
  const { count, hard, delay, max } = document.factorRules.failures;
  if (hard < count)
    report(
      ['factorRules', 'failures', 'hard'],
      `is less than count, which is ${count}: nobody could be locked for a while`,
    );
  if (max < delay) report(['factorRules', 'failures', 'max'], 'is shorter than delay, the first lock');
}
