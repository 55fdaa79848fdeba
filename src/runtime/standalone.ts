/** A gateway of its own: the life of `host.ts` behind public listeners. */
import { join } from 'node:path';
import type { AdminOptions } from '../admin/options.ts';
import { formatIssues } from '../config/report.ts';
import { OperatorError } from '../core/errors.ts';
import type { Document } from '../gateway/document.ts';
import type { ServiceOptions } from '../gateway/services.ts';
import { GatewayFront } from './gateway-front.ts';
import { Host } from './host.ts';
import type { Reading } from './reading.ts';

/** What starts a gateway of its own. */
interface StandaloneOptions extends ServiceOptions {
  readonly document: Document;
  /** Reads the configuration anew, for a reload. */
  readonly read: () => Reading;
}

/** A gateway of its own that has started. */
export type Standalone = Host<Document, GatewayFront>;

/** Starts all or nothing; throws an OperatorError that says what stands in the way. */
export function startStandalone({ read, ...options }: StandaloneOptions): Promise<Standalone> {
  return Host.start({
    ...options,
    read: () => {
      const reading = read();
      if (reading.kind === 'ok') return reading.document;
      throw new OperatorError(`the configuration cannot be used\n${formatIssues(reading.issues)}`);
    },
    admin: (document) => ({ ...document.admin, socket: socketOf(document) }),
    open: (gateway, services) => GatewayFront.open(gateway, services),
  });
}

/** Where commands speak: a store with a folder has the socket beside its file, so that one store has one gateway for them. */
export function socketOf({ admin, session }: Pick<Document, 'admin' | 'session'>): AdminOptions['socket'] {
  const { store } = session;
  return admin.socket.isNamed || !('path' in store)
    ? admin.socket
    : { ...admin.socket, path: join(store.path, 'admin.sock') };
}
