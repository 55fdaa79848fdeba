/** What `gatehouse check` says of the files that providers are given, at the key that names the file: a start would end at the same. */
import type { ConfigIssue } from '../../config/report.ts';
import { OperatorError } from '../../core/errors.ts';
import type { ProviderDefinition } from '../../providers/define.ts';
import * as kinds from '../../providers/index.ts';
import type { Reading } from '../../runtime/reading.ts';
import { placeOfFile } from './file-places.ts';

const providerKinds: Readonly<Record<string, ProviderDefinition>> = kinds;

/** Reads the files of every provider. Errors keep the gateway from starting. */
export function providerFileIssues({ document, locate }: Extract<Reading, { kind: 'ok' }>): {
  readonly errors: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
} {
  const errors: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];
  for (const [name, options] of Object.entries(document.providers)) {
    const placed = (message: string) => ({ ...placeOfFile(locate, [['providers', name]], options, message), message });
    try {
      const remarks = providerKinds[options.type]?.checkFiles?.(name, options) ?? [];
      warnings.push(...remarks.map(placed));
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      errors.push({ ...placed(error.message), ...(error.hint && { hint: error.hint }) });
    }
  }
  return { errors, warnings };
}
