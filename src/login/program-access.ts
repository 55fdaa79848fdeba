/** Programs without a session: by an API token, or by a name and a password with each request, where the location takes them. */
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { ShownCredential } from '../core/shown-credential.ts';
import type { Client, GatewayRequest } from '../core/verdict.ts';
import type { BasicAccess } from './basic-access.ts';
import type { Identity } from './identity.ts';
import type { CredentialStanding, TokenAccess } from './token-access.ts';

/** What of a location says how programs come in. */
type ProgramRoute = Pick<Route, 'name' | 'access' | 'apiTokenHeader'>;

/** The ways of programs. */
export class ProgramAccess {
  readonly #tokens: TokenAccess;
  readonly #basic: BasicAccess;

  constructor({ tokens, basic }: { tokens: TokenAccess; basic: BasicAccess }) {
    this.#tokens = tokens;
    this.#basic = basic;
  }

  /** Whether a request shows something that this location takes: then it must be right, whoever could come in without. */
  isShown(headers: HeaderLines, route: ProgramRoute): boolean {
    return this.#token(headers, route) !== undefined || (takes(route, 'basic') && this.#basic.shown(headers));
  }

  /** Whom the API token of a request speaks for; undefined where it shows none that this location takes. */
  byToken({ headers }: Pick<GatewayRequest, 'headers'>, client: Client, route: ProgramRoute) {
    const shown = this.#token(headers, route);
    return shown === undefined ? undefined : this.#tokens.identify(shown, client, route.name);
  }

  /** Whom the password of a request speaks for; undefined where it has none that this location takes. */
  byPassword(
    request: Pick<GatewayRequest, 'id' | 'headers'>,
    client: Client,
    route: ProgramRoute,
  ): Promise<Identity> | undefined {
    if (!takes(route, 'basic') || !this.#basic.shown(request.headers)) return undefined;
    return this.#basic.identify(request, client);
  }

  /** Whether what something was opened by still holds; undefined where nobody can tell, and it goes on. */
  async standing(credential: ShownCredential): Promise<CredentialStanding | undefined> {
    if (credential.kind === 'api-token') return this.#tokens.standing(credential.id);
    const isGood = await this.#basic.holds(credential.account, credential.at);
    return isGood ? { kind: 'holds' } : { kind: 'over', reason: 'revoked' };
  }

  #token(headers: HeaderLines, route: ProgramRoute): string | undefined {
    return takes(route, 'apiTokens') ? this.#tokens.shown(headers, route.apiTokenHeader) : undefined;
  }
}

function takes({ access }: Pick<Route, 'access'>, what: 'apiTokens' | 'basic'): boolean {
  return typeof access === 'object' && access[what] === true;
}
