/**
 * What would happen to a user's request: the pipeline's own decision, on an identity that is given instead of proved. It works on
 * a copy of what the store holds, changes nothing and asks no upstream.
 */
import { randomBytes } from 'node:crypto';
import { type Account, accountNamed } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Outcome, ProviderStep } from '../core/outcome.ts';
import { canonicalUsername, type Principal } from '../core/principal.ts';
import { isOfNoTenant } from '../core/reason.ts';
import { HeaderLines } from '../core/request-head.ts';
import type { ForwardingRoute } from '../core/route.ts';
import { Sealer, SealKey } from '../core/seal.ts';
import type { Secret } from '../core/secret.ts';
import type { Session } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import type { Client, GatewayRequest } from '../core/verdict.ts';
import { EnrolmentMark } from '../factors/enrolment-mark.ts';
import type { Identity } from '../login/authenticate-request.ts';
import { switchedOff } from '../login/external.ts';
import type { TypedName } from '../login/typed-names.ts';
import { explainRoles, type RoleExplanation } from '../policy/roles.ts';
import { roleEntries } from '../policy/roles-file.ts';
import type { TenantDecision } from '../policy/tenants.ts';
import { Connections } from '../proxy/connections.ts';
import { isCarried } from '../proxy/lane/forwarder.ts';
import { Breakers } from '../remote/breakers.ts';
import { firstProof, newLiveRecord, type Vouched } from '../sessions/stored-session.ts';
import { createAudit } from '../telemetry/audit.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { ProviderFigures } from '../telemetry/provider-figures.ts';
import { RecentLines } from '../telemetry/recent-records.ts';
import type { Lock } from '../users/lockout.ts';
import { buildGateway, type Gateway } from './build.ts';
import type { Decided } from './decided.ts';
import type { Document } from './document.ts';
import { type ChainAnswer, lookUpAlong } from './look-up.ts';

/** A request to explain. */
export interface ExplainRequest {
  readonly user: string;
  /** A path, or an address with a host. */
  readonly url: string;
  readonly method: string;
  /** Where the user is; without it nothing that depends on an address is known. */
  readonly address?: string;
  /** With a password the chain is run for real; without one the directories are asked for the user's entry. */
  readonly password?: Secret;
}

/** Who the user would be after a login at this moment. */
export interface LoginExplanation {
  readonly steps: readonly ProviderStep[];
  /** Providers of the chain that nobody can ask about a name. */
  readonly silent: readonly { readonly provider: string; readonly type: string }[];
  /** Providers of the chain that are switched off. */
  readonly off: readonly string[];
  readonly outcome: Outcome;
  readonly principal?: Principal;
  /** Where somebody is known: of which tenant, and why. */
  readonly tenant?: TenantDecision;
  readonly roles: readonly RoleExplanation[];
  /** What the first proof is worth, and what the login asks for. */
  readonly level?: { readonly proved: number; readonly asked: number };
  /** What keeps the user from signing in for a while, whatever the password. */
  readonly locks: readonly Lock[];
  readonly decided: Decided;
}

/** All of it. */
export interface Explanation {
  readonly login: LoginExplanation;
  /** What becomes of the request with each of the user's live sessions, the one seen last first. */
  readonly sessions: readonly { readonly session: Session; readonly decided: Decided }[];
  /** What becomes of the request: with the session seen last, else after a login. A password asks for a login. */
  readonly decided: Decided;
  /** Whether the lane takes such a request where its head is a simple one; absent where nothing is forwarded. */
  readonly lane?: 'taken' | 'off' | 'not-carried';
}

/** The kinds of entries that an explanation looks at. */
export const explainedEntries = ['session:', 'session-user:', 'lockout-'] as const;

/** Explains requests to the gateway of one configuration. */
export class Explainer {
  readonly #document: Document;
  readonly #gateway: Gateway;
  readonly #clock: Clock;

  private constructor(document: Document, gateway: Gateway, clock: Clock) {
    this.#document = document;
    this.#gateway = gateway;
    this.#clock = clock;
  }

  /** Builds the gateway as a start would, on a store that is written to and thrown away. */
  static async open(document: Document, store: Store, clock: Clock): Promise<Explainer> {
    const log = createLog({ level: 'error', destination: { write: () => true } });
    const metrics = createMetrics({ processMetrics: false });
    const audit = createAudit({ to: 'off', clock, log });
    const recent = { records: new RecentLines(1), warnings: new RecentLines(1) };
    const figures = new ProviderFigures(clock);
    const life = { connections: new Connections({ log }), breakers: new Breakers(), recent, figures, workers: 1 };
    // Nothing that a browser would be given leaves this.
    const sealer = new Sealer([new SealKey(randomBytes(32))]);
    const kept = { clock, log, store, sealer, mark: new EnrolmentMark({ store, log, file: undefined }) };
    return new Explainer(document, await buildGateway(document, { ...kept, metrics, audit, ...life }), clock);
  }

  async explain(question: ExplainRequest): Promise<Explanation> {
    const { account, ...login } = await this.#login(question);
    const sessions: { session: Session; decided: Decided }[] = [];
    const { authenticator, sessions: all } = this.#gateway;
    const own = account ? all.ofAccount(account) : all.list({ user: canonicalUsername(question.user) });
    for await (const session of own)
      sessions.push({ session, decided: await this.#decide(question, authenticator.identityOf(session)) });
    sessions.sort((a, b) => b.session.lastSeenAt - a.session.lastSeenAt);
    const [latest] = question.password ? [] : sessions;
    const decided = latest?.decided ?? login.decided;
    const { verdict } = decided;
    return {
      login,
      sessions,
      decided,
      ...(verdict.kind === 'forward' && { lane: this.#laneOf(verdict.forward.route) }),
    };
  }

  close(): Promise<void> {
    return this.#gateway.close();
  }

  #laneOf(route: ForwardingRoute): 'taken' | 'off' | 'not-carried' {
    if (!this.#document.server.lane) return 'off';
    return isCarried(route) ? 'taken' : 'not-carried';
  }

  /** The login, and the account that the name was found to be. */
  async #login(question: ExplainRequest): Promise<LoginExplanation & { readonly account?: Account }> {
    const { providers, lockout, signIn, door } = this.#gateway.login;
    // Without a password the name may be a session's, in which a domain that nobody lists is a part of it.
    const name = signIn.readName(question.user, question.password === undefined);
    const typed = await lockout.locks(name.counted, question.address);
    const result = await this.#ask(question, name, typed.length > 0);
    const { outcome, provider } = result;
    const account = signIn.accountIn(result);
    // As at a login: a name that was not tried yet finds the lock of its account only behind the chain's answer.
    const isNameLocked = typed.some((lock) => lock.of === 'user');
    const locks = account && !isNameLocked ? [...typed, ...(await lockout.accountLocks(account))] : typed;
    const silent = providers.chain
      .filter(({ provider: { lookUp } }) => !lookUp)
      .map(({ name }) => ({ provider: name, type: this.#document.providers[name]?.type ?? '' }));
    const asked = { steps: result.steps, silent, off: switchedOff(this.#document), locks };
    if (outcome.kind !== 'authenticated' || !provider)
      return { ...asked, outcome, roles: [], decided: await this.#decide(question, nobody(outcome, locks)) };
    const tenant = signIn.tenantOf(outcome.assertion, provider);
    const known = {
      ...asked,
      ...(tenant.kind === 'settled' && { account: accountNamed(outcome.assertion.subject, tenant.tenant) }),
    };
    const refused = await signIn.refuse(outcome, provider, AbortSignal.timeout(this.#document.login.total));
    if (refused)
      return {
        ...{ ...known, outcome: refused, tenant, roles: [] },
        decided: await this.#decide(question, nobody(refused, locks)),
      };
    // Whose roles and what level follow from a choice that nobody has made here.
    if (tenant.kind === 'open') {
      const undecided: Identity = { kind: 'nobody', offers: [], reason: 'tenant-ambiguous' };
      return { ...known, outcome, tenant, roles: [], decided: await this.#decide(question, undecided) };
    }
    const vouched = signIn.vouched(outcome, provider);
    const principal = signIn.principal(vouched);
    const identity: Identity =
      locks.length > 0
        ? nobody(outcome, locks)
        : { kind: 'somebody', principal, session: this.#sessionOf(vouched, question), reply: {} };
    return {
      ...known,
      outcome,
      principal,
      tenant,
      level: { proved: principal.level ?? 1, asked: door.levelFor(vouched, this.#clientOf(question)) },
      roles: explainRoles(roleEntries(this.#document), outcome.assertion, provider, principal.tenant),
      decided: await this.#decide(question, identity),
    };
  }

  /** The chain with a password, as the form asks it, unless the form would ask nobody; else the directories, by the name. */
  #ask(question: ExplainRequest, name: TypedName, isLocked: boolean): Promise<ChainAnswer> {
    const { user, password } = question;
    const { signIn, providers } = this.#gateway.login;
    if (!password || isLocked)
      return name.kind === 'at'
        ? lookUpAlong(
            name.asked,
            providers.chain.filter((link) => link.name === name.provider),
          )
        : lookUpAlong(user, providers.chain);
    const request = { method: 'POST', headers: new HeaderLines([]), signal: AbortSignal.timeout(60_000) };
    const attempt = signIn.attempt('credentials', request, this.#clientOf(question), '/_gate/login');
    return signIn.runFor(name, { ...attempt, credentials: { username: user, password } });
  }

  async #decide(question: ExplainRequest, identity: Identity): Promise<Decided> {
    return this.#gateway.pipeline.decide(this.#requestOf(question), identity);
  }

  #requestOf(question: ExplainRequest): GatewayRequest {
    const { publicUrl } = this.#document.server;
    const address = /^https?:\/\/(?<host>[^/]+)(?<path>\/.*)?$/is.exec(question.url)?.groups;
    return {
      id: 'explain',
      method: question.method,
      target: address ? (address.path ?? '/') : question.url,
      headers: new HeaderLines(['Host', address?.host ?? publicUrl.host]),
      peer: this.#clientOf(question).address,
      encrypted: publicUrl.protocol === 'https:',
      upgrade: false,
      signal: new AbortController().signal,
    };
  }

  #clientOf({ address = '127.0.0.1' }: ExplainRequest): Client {
    const scheme = this.#document.server.publicUrl.protocol === 'https:' ? 'https' : 'http';
    return { address, scheme, userAgent: 'gatehouse explain' };
  }

  /** The session that a login would begin. */
  #sessionOf(vouched: Vouched, question: ExplainRequest): Session {
    const { lifetime } = this.#document.session;
    const now = this.#clock.now();
    const record = newLiveRecord(vouched, [firstProof(vouched, now)], this.#clientOf(question), now, lifetime);
    return { id: 'explain', ...record };
  }
}

function nobody(outcome: Outcome, locks: readonly Lock[]): Identity {
  if (locks.length > 0) return { kind: 'nobody', offers: [], reason: 'too-many-failures' };
  if (outcome.kind === 'unavailable') return outcome;
  if (outcome.kind === 'rejected' && isOfNoTenant(outcome.reason))
    return {
      kind: 'refused',
      code: 'ACCESS_DENIED',
      reason: outcome.reason,
      detail: 'of which tenant nobody can tell',
    };
  return { kind: 'nobody', offers: [], reason: 'reason' in outcome ? outcome.reason : 'login-required' };
}
