/** What `gatehouse check` says of the table of machines: marks nobody sees, rows that know the same machine, rows for nothing. */
import type { ConfigIssue, KeyPath } from '../../config/load.ts';
import { rowsOf } from '../../peers/options.ts';
import type { Reading } from '../../runtime/reading.ts';

/** Warnings about machines, each at its key. */
export function peerWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  const found: { path: KeyPath; message: string; hint: string }[] = [];
  for (const [name, { thumbprints = [], services }] of Object.entries(document.peers)) {
    for (const [index, { invisible }] of thumbprints.entries())
      if (invisible.length > 0)
        found.push({
          path: thumbprints.length > 1 ? ['peers', name, 'thumbprints', index] : ['peers', name, 'thumbprints'],
          message: `has characters that nobody sees, ${invisible.join(', ')}: they were dropped`,
          hint: 'they come with the text of the Windows dialogue; delete the first place of the line to be rid of them',
        });
    if (services.length === 0)
      found.push({
        path: ['peers', name],
        message: 'names no service: it is let in to those with admit: any alone',
        hint: 'write services: [NAME]',
      });
  }
  const owners = new Map<string, string>();
  for (const { name, sha256, sha1, pins, names, uris } of rowsOf(document))
    for (const key of [...sha256, ...sha1, ...pins, ...names, ...uris]) {
      const other = owners.get(key);
      if (other !== undefined && other !== name)
        found.push({
          path: ['peers', name],
          message: `knows the same machine as peers.${other}, by ${key}: it may reach the services of both`,
          hint: 'keep one row a machine',
        });
      owners.set(key, other ?? name);
    }
  return found.map(({ path, message, hint }) => ({ ...locate(path), message, hint }));
}
