/** Every kind of entry is known: what of it is secret, and whether a backup brings it back. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { entryKinds } from '../../src/store/entry-kinds.ts';

test('entry kinds: what the architecture lists is what a backup and the sealing know', () => {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/architecture.md'), 'utf8');
  const [, section = ''] = text.split('## What is in the store');
  const rows = section.split('\n## ')[0]?.match(/^\| `.*$/gm) ?? [];
  const listed = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([a-z-]+):/g)].map(([, kind]) => kind));
  assert.deepEqual(listed.toSorted(), Object.keys(entryKinds).toSorted());
  const sealed = rows.filter((row) => row.includes('sealed')).flatMap((row) => /`([a-z-]+):/.exec(row)?.[1] ?? []);
  const secret = Object.entries(entryKinds).filter(([, kind]) => kind.secret);
  assert.deepEqual(sealed.toSorted(), secret.map(([kind]) => kind).toSorted());
});
