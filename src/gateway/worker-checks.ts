/** What several workers need of the rest of a configuration. */
import type { RefinementCtx } from 'zod';

interface CheckedDocument {
  readonly server: { readonly workers: number | 'auto' };
  readonly session: { readonly store: { readonly type: string } };
}

/** Reports a store that each worker would have for itself: who signs in at one would be a stranger to the others. */
export function checkWorkers(document: CheckedDocument, context: RefinementCtx): void {
  const { server, session } = document;
  if (server.workers === 1 || session.store.type !== 'memory') return;
  context.addIssue({
    code: 'custom',
    path: ['server', 'workers'],
    message: `is ${server.workers}, and a store in memory is of one process: the others would not know who has signed in`,
    input: document,
    params: {
      hint: 'set session.store to { type: embedded, path: … }, or leave server.workers out',
      other: ['session', 'store', 'type'],
    },
  });
}
