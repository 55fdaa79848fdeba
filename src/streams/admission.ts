/** Who may use a stream: judged when a connection comes, and again for what is open. */
import type { Clock } from '../core/clock.ts';
import type { PeerTable } from '../peers/table.ts';
import type { StreamTerms } from './stream.ts';

interface AdmissionParts {
  readonly clock: Clock;
  readonly table: PeerTable;
  /** What machines reach by the stream; absent: whoever the handshake has let in comes in, for as long as the certificate does. */
  readonly service: string | undefined;
  /** Whether who shows no certificate stays out, also who came when none was asked for. */
  readonly isRequired: boolean;
}

/** Judges by the rows of `peers`, or by the certificate alone. */
export function admitBy({ clock, table, service, isRequired }: AdmissionParts): StreamTerms['admit'] {
  return (arrival) => {
    const certificate = arrival?.certificate;
    if (service !== undefined) return { ...table.judge(certificate, service, clock.now()), service };
    if (!certificate && isRequired)
      return {
        ...{ kind: 'refused', reason: 'peer-certificate-missing' },
        detail: 'the stream is for clients that show a certificate',
      };
    const fault = certificate && table.fault(certificate, clock.now());
    return fault ? { kind: 'refused', ...fault } : { kind: 'admitted' };
  };
}
