/**
 * Which session a request's cookie names: at the public host by the session's own token, at a further host by one of that host
 * alone, though the cookie has the same name.
 */
import { GatewayError } from '../core/errors.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Session } from '../core/session.ts';
import type { At, SiteOrigins } from '../routing/site-origins.ts';
import { cookieName, readCookie } from '../sessions/cookie.ts';
import type { LoadedSession } from '../sessions/found-session.ts';
import type { Sessions } from '../sessions/sessions.ts';

/** Reads cookies, and says what they hold. */
export class CookieSessions {
  readonly #sessions: Sessions;
  readonly #origins: SiteOrigins;
  readonly #cookie: string;
  /** By session: requests that share one which has begun a moment ago share its token at a host, too. */
  readonly #issued = new WeakMap<object, Map<string, Promise<string>>>();

  constructor({ sessions, origins, publicUrl }: { sessions: Sessions; origins: SiteOrigins; publicUrl: URL }) {
    this.#sessions = sessions;
    this.#origins = origins;
    this.#cookie = cookieName(publicUrl);
  }

  /** The token in a request's cookies; undefined when there is none, or two that differ. */
  tokenIn(headers: HeaderLines): string | undefined {
    return readCookie(headers.all('cookie'), this.#cookie);
  }

  /** What is behind the cookie that came to a host. */
  load(headers: HeaderLines, at: At): MaybePromise<LoadedSession> {
    const token = this.tokenIn(headers);
    if (token === undefined) return { kind: 'none' };
    const host = this.#hostOf(at);
    return host === undefined ? this.#sessions.load(token) : this.#sessions.hosts.load(token, host);
  }

  /** Whether the cookie of the session's own token can be set there: where not, the session must not rotate. */
  takesOwnToken(at: At): boolean {
    return this.#hostOf(at) === undefined;
  }

  /** The token to set at a host for a session that has begun there. */
  async tokenAt(at: At, { session, token }: { readonly session: Session; readonly token: string }): Promise<string> {
    const host = this.#hostOf(at);
    if (host === undefined) return token;
    const byHost = this.#issued.get(session) ?? new Map<string, Promise<string>>();
    this.#issued.set(session, byHost);
    const issuing = byHost.get(host) ?? this.#issue(session, host);
    byHost.set(host, issuing);
    return issuing;
  }

  async #issue({ id }: Session, host: string): Promise<string> {
    const issued = await this.#sessions.hosts.issue(id, host);
    if (!issued) throw new GatewayError('UNAVAILABLE', `session ${id} was ended while it began`);
    return issued.token;
  }

  #hostOf(at: At): string | undefined {
    return this.#origins.furtherAt(at)?.tokenHost;
  }
}
