/**
 * Whether what is open may stay open: by the location that its target has in the configuration of the moment, and by the roles
 * that its user has now. The age of a proof counts at the opening alone.
 */
import type { Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import type { RequestAuthenticator } from '../login/authenticate-request.ts';
import { decide } from '../policy/decide.ts';
import { asksNobody, isOutside } from '../policy/network-access.ts';
import type { Opened } from '../proxy/connections.ts';
import type { HostTest } from '../routing/known-hosts.ts';
import type { Locations } from '../routing/locations.ts';
import { askingFor } from './routes.ts';

/** Judges anew what has been let through before. */
export class StandingAccess {
  readonly #locations: Locations;
  readonly #authenticator: Pick<RequestAuthenticator, 'principal' | 'hasProvider'>;
  readonly #isOwnHost: HostTest;

  constructor(parts: {
    locations: Locations;
    authenticator: Pick<RequestAuthenticator, 'principal' | 'hasProvider'>;
    isOwnHost: HostTest;
  }) {
    this.#isOwnHost = parts.isOwnHost;
    this.#locations = parts.locations;
    this.#authenticator = parts.authenticator;
  }

  /** Why something must end; undefined when it may go on. `session` is the one that speaks for it. */
  reasonToEnd({ client, target, principal, demands = [] }: Opened, session: Session | undefined): Reason | undefined {
    const route = this.#locations.match(target)?.route;
    if (!route) return 'no-route';
    const { provider = '', tenant = '' } = principal ?? {};
    const whose = session ?? (principal && { assertion: principal, provider, tenant });
    for (const roles of demands.length > 0 ? demands : [undefined]) {
      const asking = askingFor(roles, route);
      const { access } = asking;
      if (access === 'deny') return 'location-closed';
      if (isOutside(asking, client)) return 'network-not-admitted';
      if (typeof access === 'string' || asksNobody(asking, client, target, this.#isOwnHost)) continue;
      if (!whose) return 'login-required';
      if (!this.#authenticator.hasProvider(whose.provider)) return 'provider-gone';
      if (!session && access.bearer !== true) return 'login-required';
      const decision = decide(this.#authenticator.principal(whose), { access }, session, 0);
      if (decision.kind === 'deny') return decision.reason;
    }
    return undefined;
  }
}
