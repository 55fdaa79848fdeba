/** What the certificate of a machine is worth at a location: its service, and who the machine is to the application. */
import type { Clock } from '../core/clock.ts';
import type { PeerCertificate } from '../core/peer.ts';
import { type Principal, peerSubject } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import type { GatewayRequest, Verdict } from '../core/verdict.ts';
import type { PeerTable, PeerVerdict } from '../peers/table.ts';
import type { Opened } from '../proxy/live-connection.ts';
import { refuse } from './refuse.ts';

/** What machines are called by in the place of a provider. */
const provider = 'peers';
const maxKept = 10_000;

/** A machine that a service has let in. */
export interface Machine {
  /** Its row; absent where every certificate does that the listener takes. */
  readonly name?: string;
  readonly principal: Principal;
}

/** What a service says of a request: one of the two, and the row that it is about, if any. */
type PeerAdmission = { readonly peer?: string } & (
  | { readonly machine: Machine; readonly refused: undefined }
  | { readonly machine: undefined; readonly refused: Verdict }
);

/** The services of one configuration at its locations. */
export class PeerAccess {
  readonly #table: PeerTable;
  readonly #clock: Clock;
  readonly #tenant: string;
  /** The same object for the same machine: what follows from it is kept with it. */
  readonly #principals = new Map<string, Principal>();

  constructor({ table, clock, tenant }: { readonly table: PeerTable; readonly clock: Clock; readonly tenant: string }) {
    this.#table = table;
    this.#clock = clock;
    this.#tenant = tenant;
  }

  /** What speaks against a connection, whatever it asks for; undefined when nothing does. */
  refuseArrival({ arrival }: GatewayRequest): Verdict | undefined {
    const fault = arrival?.certificate && this.#table.fault(arrival.certificate, this.#clock.now());
    return fault && refuse('PEER_REFUSED', fault.reason, fault.detail);
  }

  /** Whether the service of a location admits whoever sends a request; undefined where the location has none. */
  admit(request: GatewayRequest, route: Route): PeerAdmission | undefined {
    if (route.service === undefined) return undefined;
    // What a front proxy asks about came to it: our own connection is the proxy's.
    const certificate = request.asked ? undefined : request.arrival?.certificate;
    const verdict = this.#table.judge(certificate, route.service, this.#clock.now());
    const peer = verdict.peer !== undefined && { peer: verdict.peer };
    if (verdict.kind === 'admitted' && certificate)
      return { machine: this.#machineOf(verdict, certificate), refused: undefined, ...peer };
    const { reason, detail } = verdict.kind === 'refused' ? verdict : missing;
    const code = reason === 'peer-certificate-missing' ? 'PEER_CERTIFICATE_REQUIRED' : 'PEER_REFUSED';
    return { machine: undefined, refused: refuse(code, reason, detail, { route }), ...peer };
  }

  /** Why what is open at a location must end; undefined where its service still admits it. */
  reasonToEnd({ certificate }: Opened, { service }: Pick<Route, 'service'>): Reason | undefined {
    const now = this.#clock.now();
    if (service === undefined) return certificate && this.#table.fault(certificate, now)?.reason;
    const verdict = this.#table.judge(certificate, service, now);
    return verdict.kind === 'refused' ? verdict.reason : undefined;
  }

  #machineOf({ peer: name }: Extract<PeerVerdict, { kind: 'admitted' }>, certificate: PeerCertificate): Machine {
    const key = `${name ?? ''} ${certificate.thumbprint}`;
    const known = this.#principals.get(key);
    const principal = known ?? principalOf(name ?? certificate.thumbprint, certificate, this.#tenant);
    if (!known) {
      const [oldest] = this.#principals.size >= maxKept ? this.#principals.keys() : [];
      if (oldest !== undefined) this.#principals.delete(oldest);
      this.#principals.set(key, principal);
    }
    return { principal, ...(name !== undefined && { name }) };
  }
}

const missing = { reason: 'peer-certificate-missing', detail: 'nothing was shown' } as const;

function principalOf(name: string, { thumbprint }: PeerCertificate, tenant: string): Principal {
  return {
    ...{ realm: provider, provider, subject: peerSubject(name), tenant, roles: new Set() },
    // RFC 8176: proof of possession of a software-secured key; nobody can tell of better ones.
    amr: ['swk'],
    attributes: {},
    certificate: Buffer.from(thumbprint, 'hex').toString('base64url'),
  };
}
