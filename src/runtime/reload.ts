/** What of a configuration a running process cannot change, what waits for its next start, and how a reload is told. */
import type { Actor } from '../admin/actor.ts';
import type { ReloadAnswer } from '../admin/app.ts';
import { OperatorError } from '../core/errors.ts';
import type { Document } from '../gateway/document.ts';
import type { Services } from '../gateway/services.ts';

/** A configuration, and whether it has an admin listener: an application's may have none. */
interface Candidate {
  readonly document: Document;
  readonly hasAdmin: boolean;
}

type Readers = Readonly<Record<string, (document: Document) => unknown>>;

/** What is opened once and cannot change under a running process. */
const fixed: Readers = {
  'admin.listen': ({ admin }) => admin.listen.href,
  // Compared, and kept nowhere.
  'session.store': ({ session: { store } }) =>
    store.type === 'redis' ? [store, store.password?.reveal(), store.sentinels?.password?.reveal()] : store,
  'audit.to': ({ audit }) => audit.to,
};

/** What may change, and is read once, too. */
const onceRead: Readers = {
  'server.maxHeaderSize': ({ server }) => server.maxHeaderSize,
  'server.maxConnections': ({ server }) => server.maxConnections,
  'server.headTimeout': ({ server }) => server.headTimeout,
  'server.workers': ({ server }) => server.workers,
  'server.keepAlive': ({ server }) => server.keepAlive,
  // Compared, and kept nowhere.
  'admin.token': ({ admin }) => admin.token?.reveal(),
  'admin.tokens': ({ admin }) =>
    Object.entries(admin.tokens).map(([name, one]) => [name, one.token.reveal(), one.role]),
  'admin.socket': ({ admin }) => admin.socket,
  'admin.hosts': ({ admin }) => admin.hosts,
  'audit.requests': ({ audit }) => audit.requests,
  'log.format': ({ log }) => log.format,
};

/** Throws an OperatorError that names what has changed and a reload cannot change. */
export function refuseRestart(before: Candidate, after: Candidate): void {
  const changed = changedFor(fixed, before.document, after.document);
  if (before.hasAdmin !== after.hasAdmin) changed.push('admin');
  if (changed.length > 0)
    throw new OperatorError(`${changed.join(', ')} changed, which a reload cannot do`, 'restart the gateway for that');
}

/** Says that a configuration is in place, and what of it counts from the next start; `started` is what the process began with. */
export function reportReload({ log, audit }: Services, by: Actor, started: Document, after: Document): ReloadAnswer {
  audit.record({ event: 'reload', outcome: 'succeeded', ...by });
  log.info({}, 'the configuration was reloaded');
  const nextStart = changedFor(onceRead, started, after);
  if (nextStart.length > 0)
    log.warn({ keys: nextStart }, 'some of what changed counts from the next start of the gateway');
  return { kind: 'reloaded', nextStart };
}

/** Says that a configuration is not in place. */
export function reportFailedReload({ log, audit }: Services, by: Actor, error: unknown): ReloadAnswer {
  const message = error instanceof Error ? error.message : String(error);
  audit.record({ event: 'reload', outcome: 'failed', detail: message, ...by });
  log.error({ error }, 'the configuration was not reloaded; the one before goes on');
  const hint = error instanceof OperatorError ? error.hint : undefined;
  return { kind: 'failed', message, ...(hint && { hint }) };
}

function changedFor(readers: Readers, before: Document, after: Document): string[] {
  return Object.entries(readers).flatMap(([key, read]) =>
    JSON.stringify(read(before)) === JSON.stringify(read(after)) ? [] : [key],
  );
}
