/** What `gatehouse check` says of users of other systems who are switched off. */
import type { ConfigIssue } from '../../config/load.ts';
import { switchedOff } from '../../login/external.ts';
import type { Reading } from '../../runtime/reading.ts';

/** A warning that names those who are not asked. */
export function externalWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  const off = switchedOff(document);
  if (off.length === 0) return [];
  return [
    {
      ...locate(['login', 'external']),
      message: `is false: ${off.join(', ')} ${off.length === 1 ? 'is' : 'are'} not asked, and nobody of theirs signs in (external-off)`,
      hint: 'write external: true, or leave it out, to let them in again',
    },
  ];
}
