/**
 * Whether what is open may stay open: by the location that its target has in the configuration of the moment, and by the roles
 * that its user has now. The age of a proof counts at the opening alone.
 */
import type { Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import type { RequestAuthenticator } from '../login/authenticate-request.ts';
import { decide } from '../policy/decide.ts';
import { doorOf } from '../policy/door.ts';
import type { Worth } from '../policy/levels.ts';
import type { Tenants } from '../policy/tenants.ts';
import type { Opened } from '../proxy/live-connection.ts';
import type { HostTest } from '../routing/known-hosts.ts';
import type { Locations } from '../routing/locations.ts';
import type { PeerAccess } from './peer-access.ts';
import { askingFor } from './routes.ts';

/** What of a location's access takes a credential that stands for a session. */
const takenAs = { 'api-token': 'apiTokens', basic: 'basic' } as const;

/** Judges anew what has been let through before. */
export class StandingAccess {
  readonly #locations: Locations;
  readonly #authenticator: Pick<RequestAuthenticator, 'principal' | 'reasonToEnd'>;
  readonly #isOwnHost: HostTest;
  readonly #worth: Worth;
  readonly #tenants: Pick<Tenants, 'admits'>;
  readonly #peers: Pick<PeerAccess, 'reasonToEnd'>;

  constructor(parts: {
    locations: Locations;
    tenants: Pick<Tenants, 'admits'>;
    authenticator: Pick<RequestAuthenticator, 'principal' | 'reasonToEnd'>;
    isOwnHost: HostTest;
    worth: Worth;
    peers: Pick<PeerAccess, 'reasonToEnd'>;
  }) {
    this.#peers = parts.peers;
    this.#isOwnHost = parts.isOwnHost;
    this.#worth = parts.worth;
    this.#tenants = parts.tenants;
    this.#locations = parts.locations;
    this.#authenticator = parts.authenticator;
  }

  /** Why what a machine has opened must end by its certificate alone; undefined where that still does. */
  machineReasonToEnd(opened: Opened): Reason | undefined {
    const route = this.#locations.match(opened.target)?.route;
    return route ? this.#peers.reasonToEnd(opened, route) : 'no-route';
  }

  /** Why something must end; undefined when it may go on. `session` is the one that speaks for it. */
  reasonToEnd(opened: Opened, session: Session | undefined): Reason | undefined {
    const { client, target, principal, credential, demands = [] } = opened;
    const route = this.#locations.match(target)?.route;
    if (!route) return 'no-route';
    const unadmitted = this.#peers.reasonToEnd(opened, route);
    if (unadmitted) return unadmitted;
    const { provider = '', tenant = '' } = principal ?? {};
    const whose = session ?? (principal && { assertion: principal, provider, tenant });
    for (const demand of demands.length > 0 ? demands : [undefined]) {
      const asking = askingFor(demand, route);
      const { access } = asking;
      const door = doorOf(asking, client, target, this.#isOwnHost);
      if (door === 'closed') return 'location-closed';
      if (door === 'outside') return 'network-not-admitted';
      // What asks for a name is no word; the type does not know that.
      if (door !== 'asks' || typeof access === 'string') continue;
      if (!whose) return 'login-required';
      // Programs with a token of their own are of no provider, and have the roles of the token.
      const isToken = credential?.kind === 'api-token';
      const over = isToken ? undefined : this.#authenticator.reasonToEnd(whose);
      if (over) return over;
      if (!session && access[credential ? takenAs[credential.kind] : 'bearer'] !== true) return 'login-required';
      const now = isToken && principal ? principal : this.#authenticator.principal(whose);
      if (!this.#tenants.admits(now.tenant, target)) return 'tenant-mismatch';
      const decision = decide(now, asking, session, 0, this.#worth);
      if (decision.kind === 'deny') return decision.reason;
      // The age of a proof counts at the opening alone; a level that is lost is lost.
      if (decision.kind === 'step-up' && decision.reason !== 'too-old') return decision.reason;
    }
    return undefined;
  }
}
