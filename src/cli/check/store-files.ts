/** What `gatehouse check` says of the file that seals the store's secrets. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ConfigIssue } from '../../config/report.ts';
import type { Reading } from '../../runtime/reading.ts';
import { sealKeyFile } from '../../store/index.ts';

/** Warns of keys that a copy of the store's folder carries along, and of those that others may read. */
export function storeFileWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): readonly ConfigIssue[] {
  const { store } = document.session;
  if (store.type !== 'embedded') return [];
  const file = sealKeyFile(store);
  if (!existsSync(file)) return [];
  const place = locate(['session', 'store', ...(store.sealKey ? ['sealKey', 'file'] : [])]);
  const warnings: ConfigIssue[] = [];
  if (existsSync(store.path) && realpathSync(dirname(file)) === realpathSync(store.path))
    warnings.push({
      ...place,
      message: `the sealing key ${file} lies beside the store: a copy of that folder holds the secrets and what opens them`,
      hint: 'move it to a folder that is not backed up with the store, and name it in session.store.sealKey: { file: … }',
    });
  if ((statSync(file).mode & 0o077) !== 0)
    warnings.push({
      ...place,
      message: `others than its owner may read or write the sealing key ${file}`,
      hint: `chmod 600 ${file}`,
    });
  return warnings;
}
