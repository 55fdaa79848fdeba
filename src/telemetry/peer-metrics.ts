/** How often machines wanted a service, and what came of it. */
import { Counter, type Registry } from 'prom-client';

/** What machines did; labels are names of the configuration, never of a certificate. */
export class PeerMetrics {
  readonly #requests: Counter<'peer' | 'service' | 'reason'>;

  constructor(registry: Registry) {
    this.#requests = new Counter({
      name: 'gatehouse_peer_requests_total',
      help: 'Requests of machines by their row, the service and why they were refused',
      labelNames: ['peer', 'service', 'reason'],
      registers: [registry],
    });
  }

  /** A request for a service; `peer` is empty for a machine that no row knows. */
  request({ peer = '', service, reason = '' }: { peer?: string; service: string; reason?: string }): void {
    this.#requests.inc({ peer, service, reason });
  }
}
