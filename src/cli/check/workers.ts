/** What `gatehouse check` says of the number of workers on this machine, and of the store that they share. */
import type { ConfigIssue } from '../../config/report.ts';
import type { Reading } from '../../runtime/reading.ts';
import { planWorkers } from '../../runtime/workers.ts';
import { networkDiskOf, networkDiskWarning } from '../../store/network-disk.ts';

/** Warns of workers that the machine has no room for, and of a store that two machines could open. */
export function workerWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): readonly ConfigIssue[] {
  const { store } = document.session;
  const { warning } = planWorkers(document);
  const disk = store.type === 'embedded' ? networkDiskOf(store.path) : undefined;
  return [
    ...(warning ? [{ ...locate(['server', 'workers']), ...warning }] : []),
    ...(disk === undefined ? [] : [{ ...locate(['session', 'store', 'path']), ...networkDiskWarning(disk) }]),
  ];
}
