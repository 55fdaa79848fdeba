/**
 * Cuts what is open on a connection whose certificate does no longer: out of its dates, its row changed or gone. Nobody announces the
 * passing of a date, so that each is asked about once a second.
 */
import type { Log } from '../core/log.ts';
import type { Connections } from '../proxy/connections.ts';
import type { StandingAccess } from './standing-access.ts';

const askEvery = 1000;

/** Watches what machines have opened. */
export class PeerWatch {
  readonly #timer: NodeJS.Timeout;

  constructor({
    connections,
    access,
    log,
  }: {
    readonly connections: Pick<Connections, 'endEach'>;
    readonly access: Pick<StandingAccess, 'machineReasonToEnd'>;
    readonly log: Log;
  }) {
    this.#timer = setInterval(() => {
      try {
        connections.endEach((opened) => (opened.certificate ? access.machineReasonToEnd(opened) : undefined));
      } catch (error) {
        log.error({ error }, 'what machines have open could not be judged');
      }
    }, askEvery).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
