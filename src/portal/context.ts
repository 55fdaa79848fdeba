/**
 * A visit to one of the gateway's own addresses: what its handlers are given, and how they read queries and forms. Which
 * address leads to which handler is `portal.ts`'s.
 */

import type { Express, Request, Response } from 'express';
import type { Clock } from '../core/clock.ts';
import { type ErrorCode, GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Tile, WordsForVisitors } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { CanonicalTarget, Client } from '../core/verdict.ts';
import { headOf } from '../edge/head-of.ts';
import type { FactorDesk } from '../factors/desk.ts';
import type { Factors } from '../factors/factors.ts';
import type { FactorRules } from '../factors/options.ts';
import type { LoginDoor } from '../login/admit.ts';
import type { RequestAuthenticator } from '../login/authenticate-request.ts';
import type { Browsers } from '../login/browser.ts';
import type { FactorNotices } from '../login/factor-notices.ts';
import type { FlowStates } from '../login/flow-state.ts';
import type { Flows } from '../login/flows.ts';
import type { Handovers } from '../login/handovers.ts';
import type { LoginSteps } from '../login/login-steps.ts';
import type { Offline } from '../login/offline/offline.ts';
import type { PassDesk } from '../login/pass-desk.ts';
import type { PasskeyLogin } from '../login/passkey-login.ts';
import type { PasswordLogin } from '../login/password-login.ts';
import type { ProvedPasswords } from '../login/proved-passwords.ts';
import type { ProviderChallenges } from '../login/provider-challenges.ts';
import type { RememberedBrowsers } from '../login/remembered.ts';
import type { SignIn } from '../login/sign-in.ts';
import type { Demand, Worth } from '../policy/levels.ts';
import type { Tenants } from '../policy/tenants.ts';
import type { ChainLink } from '../providers/chain.ts';
import type { AssertionSigner } from '../proxy/assertion.ts';
import type { BoundCookies } from '../proxy/bound-cookies.ts';
import type { SiteOrigins } from '../routing/site-origins.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import { readBody } from './body.ts';
import type { PageSender } from './page-sender.ts';
import type { SavedPosts } from './post-replay.ts';

/** What the start page shows a visitor, in the order of the configuration. */
export type ApplicationsOf = (visitor: {
  readonly principal: Principal;
  readonly session: Session;
  readonly client: Client;
}) => readonly (Tile & { readonly href: string })[];

/** What the portal works with; made by `build.ts`. Each set of addresses is given what it uses of it. */
export interface PortalParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly publicUrl: URL;
  readonly origins: SiteOrigins;
  readonly pages: PageSender;
  readonly browsers: Browsers;
  readonly signIn: SignIn;
  readonly tenants: Tenants;
  readonly authenticator: RequestAuthenticator;
  readonly passwordLogin: PasswordLogin;
  readonly passkeys: Pick<PasskeyLogin, 'offered' | 'ask' | 'prove'>;
  readonly provedPasswords: ProvedPasswords;
  readonly challenges: ProviderChallenges;
  readonly offline: Pick<Offline, 'isOffered'>;
  readonly sessions: Sessions;
  readonly posts: SavedPosts;
  readonly steps: LoginSteps;
  readonly door: Pick<LoginDoor, 'levelFor' | 'leastLevel' | 'rolesOf'>;
  readonly factors: Factors;
  readonly worth: Worth;
  /** What a location asks of the proofs of its visitors, at an address of the public host or of the one that a route names. */
  readonly demandAt: (address: string, host?: string) => Demand;
  readonly factorRules: FactorRules;
  readonly desk: FactorDesk;
  readonly passDesk: PassDesk;
  readonly notices: Pick<FactorNotices, 'tell'>;
  readonly remembered: Pick<RememberedBrowsers, 'offered' | 'idIn'>;
  readonly recorder: Pick<Recorder, 'account'>;
  readonly flows: Flows;
  readonly flowStates: FlowStates;
  readonly handovers: Handovers;
  /** The provider that is followed at once, instead of showing the login page. */
  readonly defaultMethod?: string | undefined;
  readonly signer: AssertionSigner;
  /** The cookies of applications that are bound to whoever is signed in. */
  readonly cookies: Pick<BoundCookies, 'expirations'>;
  /** Ends what is live on a session in this process. */
  readonly cut: (sessionId: string) => void;
  /** Where the browser goes to sign out of the identity provider too; undefined when nowhere. */
  readonly logoutAddress: (session: Session) => Promise<URL | undefined>;
  /** What the start page shows somebody. */
  readonly applications: ApplicationsOf;
  /** What visitors call what is at an address of the public host, or of another one as a route writes it. */
  readonly labelAt: (returnTo: string, host?: string) => WordsForVisitors | undefined;
  /** Where to go from a page of one's own. */
  readonly homeHref: string;
  /** What the login page calls a provider. */
  readonly label: (provider: string) => string;
}

/** What came with a request to the portal. */
export interface PortalContext {
  readonly requestId: string;
  readonly client: Client;
  readonly target: CanonicalTarget;
  readonly signal: AbortSignal;
  /** What the audit is told of a refusal; whoever refuses writes it. */
  readonly told?: { reason?: Reason; detail?: string };
}

/** The fields of a form; a field that stands twice is refused before a handler sees it. */
export type FormFields = ReadonlyMap<string, string>;

/** Who asks the portal for something. */
export interface PortalAsker {
  readonly headers: HeaderLines;
  readonly context: PortalContext;
}

/** One request to the portal, and its answer. */
export interface PortalRequest extends PortalAsker {
  readonly request: Request;
  readonly response: Response;
}

/** What answers an address of the portal. */
export type PortalHandler = (visit: PortalRequest) => Promise<void> | void;

const maxFormBytes = 64 * 1024;
const formDeadline = 15_000;

/** How a set of addresses joins the application. */
export type PortalRoutes<Parts> = (
  app: Express,
  parts: Parts,
  on: (handler: PortalHandler) => (request: Request, response: Response) => Promise<void>,
) => void;

/** The fields of a posted form, or undefined when it is not one that we take; the error is then sent. */
export async function readForm(
  parts: Pick<PortalParts, 'pages'>,
  visit: PortalRequest,
): Promise<FormFields | undefined> {
  const { request } = visit;
  const refuse = (code: ErrorCode, detail: string): undefined => {
    const reasons: Partial<Record<ErrorCode, Reason>> = {
      PAYLOAD_TOO_LARGE: 'request-too-large',
      REQUEST_TIMEOUT: 'request-too-slow',
    };
    refuseVisit(parts, visit, code, reasons[code] ?? 'ambiguous-target', detail);
  };
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(headOf(request).single('content-type') ?? ''))
    return refuse('BAD_REQUEST', 'not a form');
  const body = await readBody(request, { maxBytes: maxFormBytes, deadline: formDeadline });
  switch (body.kind) {
    case 'ok': {
      const fields = new URLSearchParams(body.text);
      const names = [...fields.keys()];
      return new Set(names).size === names.length ? new Map(fields) : refuse('BAD_REQUEST', 'a field stands twice');
    }
    case 'too-large':
      return refuse('PAYLOAD_TOO_LARGE', 'the form is too large');
    case 'too-slow':
      return refuse('REQUEST_TIMEOUT', 'the form took too long');
    case 'client-gone':
      return undefined;
    default:
      return body satisfies never;
  }
}

/** One value of the query; a name that stands twice has none. */
export function queryValue(request: Request, name: string): string | undefined {
  const values = new URL(request.url, 'http://gateway.invalid').searchParams.getAll(name);
  return values.length === 1 ? values[0] : undefined;
}

/** The provider that an address names; undefined after the refusal has been sent when the chain has none of that name. */
export function findLink(parts: Pick<PortalParts, 'pages' | 'signIn'>, visit: PortalRequest): ChainLink | undefined {
  const link = parts.signIn.chain.find(({ name }) => name === visit.request.params.provider);
  if (!link) {
    const isOff = parts.signIn.off.includes(String(visit.request.params.provider));
    const detail = isOff ? 'login.external is false' : 'no provider of that name is in the chain';
    refuseVisit(parts, visit, 'NOT_FOUND', isOff ? 'external-off' : 'no-route', detail);
  }
  return link;
}

/** Answers with an error. */
export function refuseVisit(
  { pages }: Pick<PortalParts, 'pages'>,
  visit: PortalRequest,
  code: ErrorCode,
  reason: Reason,
  detail: string,
): void {
  const { request, response, context } = visit;
  const { requestId, told } = context;
  if (told) Object.assign(told, { reason, detail });
  pages.sendError(request, response, { error: new GatewayError(code, detail), reason, requestId });
}
