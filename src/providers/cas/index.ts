/** CAS 2.0 and 3.0: service tickets, single logout. The client is our own; `docs/decisions/0004-own-cas-client.md` says why. */
import * as z from 'zod';
import { Failure } from '../../core/failure.ts';
import type { Offer, Outcome } from '../../core/outcome.ts';
import { type Amr, type Assertion, federatedUsername } from '../../core/principal.ts';
import { classOfAttribute } from '../../core/proof.ts';
import type { Attempt, LogoutNotice, LogoutRequest, ProbeStep, Provider } from '../../core/provider.ts';
import { withDeadline } from '../../remote/deadline.ts';
import { defineProvider, type ProviderContext, timeForWork, usualTimeout } from '../define.ts';
import type { TicketAnswer } from './answer.ts';
import { CasClient } from './client.ts';
import { casFailure } from './failure.ts';
import { readLogoutRequest } from './logout-request.ts';
import { type CasOptions, casOptions, checkCasOptions, isUnprotected } from './options.ts';
import { probeCas } from './probe.ts';
import { isProxyTicket, isTicket, TicketReplayCache } from './tickets.ts';
import { XmlError } from './xml.ts';

/** A server that speaks CAS. */
export const cas = defineProvider({
  options: casOptions,
  isFederated: true,
  checkTogether: checkCasOptions,
  create: (options, context) => new CasProvider({ ...options, timeout: options.timeout ?? usualTimeout }, context),
});

/** What a login under way remembers of its beginning. */
const journey = z.strictObject({ flow: z.string().min(1), renew: z.boolean(), silent: z.boolean() });

/** Verdicts of the server that are not about the ticket. */
const ownFaults: Readonly<Record<string, 'misconfigured' | 'provider-broke' | 'protocol-error'>> = {
  UNAUTHORIZED_SERVICE: 'misconfigured',
  INTERNAL_ERROR: 'provider-broke',
  INVALID_REQUEST: 'protocol-error',
};

class CasProvider implements Provider {
  readonly #options: CasOptions;
  readonly #context: ProviderContext;
  readonly #client: CasClient;
  readonly #tickets: TicketReplayCache;
  readonly #timeout: number;

  constructor(options: CasOptions, context: ProviderContext) {
    const { name, clock, store, log } = context;
    this.#options = options;
    this.#context = context;
    this.#client = new CasClient(options, context);
    this.#tickets = new TicketReplayCache(name, store, clock);
    this.#timeout = timeForWork(options.timeout);
    if (isUnprotected(options))
      log.warn(
        { server: this.#client.label },
        'answers of CAS cross the network unprotected and can be forged; use https',
      );
  }

  async attempt(attempt: Attempt): Promise<Outcome> {
    switch (attempt.stage) {
      case 'ambient':
      case 'credentials':
        return { kind: 'challenge', offers: [this.#leaveFor(attempt.callbackUrl.href)] };
      case 'start':
        return this.#start(attempt);
      case 'callback':
        return this.#comeBack(attempt);
      default:
        return attempt.stage satisfies never;
    }
  }

  async logout(_assertion: Assertion, _state: unknown, returnTo: URL): Promise<URL | undefined> {
    if (!this.#options.logout) return undefined;
    // Only our own site: CAS sends the browser there, and must not be made to send it anywhere else.
    const back = returnTo.origin === this.#context.publicUrl.origin ? returnTo.href : this.#context.publicUrl.href;
    return this.#client.address('logout', { [this.#options.version === '3.0' ? 'service' : 'url']: back });
  }

  async readLogout({ channel, form }: LogoutRequest): Promise<LogoutNotice> {
    if (channel !== 'callback') return { kind: 'not-a-notice' };
    const [document, ...others] = form?.getAll('logoutRequest') ?? [];
    if (document === undefined || others.length > 0)
      return { kind: 'rejected', reason: 'protocol-error', detail: 'the form does not hold one logoutRequest' };
    try {
      return { kind: 'end', handles: [readLogoutRequest(document)], reason: 'single-logout' };
    } catch (error) {
      if (!(error instanceof XmlError)) throw error;
      return { kind: 'rejected', reason: 'protocol-error', detail: error.message };
    }
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#client.ping(signal);
  }

  probe(signal: AbortSignal): AsyncIterable<ProbeStep> {
    const { name, publicUrl } = this.#context;
    const service = new URL(`/_gate/callback/${encodeURIComponent(name)}`, publicUrl);
    return probeCas({ options: this.#options, client: this.#client, service, clock: this.#context.clock }, signal);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  #start({ flow, fresh = false, chosen = false, callbackUrl }: Attempt): Outcome {
    if (!flow) return { kind: 'unavailable', reason: 'provider-broke', cause: new Error('a start without a flow') };
    const renew = this.#options.renew || fresh;
    const silent = this.#options.gateway && !renew && !chosen;
    const terms = { ...(renew && { renew: 'true' }), ...(silent && { gateway: 'true' }) };
    const state: z.output<typeof journey> = { flow, renew, silent };
    return { kind: 'continue', offer: this.#leaveFor(serviceOf(callbackUrl, flow), terms), state };
  }

  async #comeBack({ url, state, callbackUrl, signal }: Attempt): Promise<Outcome> {
    const begun = journey.safeParse(state).data;
    if (!begun || url.searchParams.get('flow') !== begun.flow) return { kind: 'rejected', reason: 'flow-foreign' };
    const [ticket, ...others] = url.searchParams.getAll('ticket');
    // CAS sends a browser back without a ticket only when it was told to ask nobody; else somebody has turned round.
    if (ticket === undefined) return { kind: 'rejected', reason: begun.silent ? 'login-required' : 'login-denied' };
    const isWelcome = isTicket(ticket) && (!isProxyTicket(ticket) || this.#options.proxy !== undefined);
    if (others.length > 0 || !isWelcome) return { kind: 'rejected', reason: 'ticket-rejected' };
    try {
      if (signal.aborted) throw signal.reason;
      if (!(await this.#tickets.take(ticket))) return { kind: 'rejected', reason: 'ticket-replayed' };
      // The service is made of the configuration and of what we have kept, never of the request (CVE-2022-39369).
      const question = { ticket, service: serviceOf(callbackUrl, begun.flow), renew: begun.renew };
      const answer = await withDeadline(signal, this.#timeout, (within) =>
        this.#client.validate(question, within.signal),
      );
      if (answer.kind === 'failure' && answer.code === 'INVALID_TICKET') await this.#tickets.forget(ticket);
      return this.#judge(ticket, answer);
    } catch (error) {
      return casFailure(error, this.#client.label).toOutcome();
    }
  }

  #judge(ticket: string, answer: TicketAnswer): Outcome {
    if (answer.kind === 'failure') return this.#refuse(answer.code);
    if (!this.#areAllowed(ticket, answer.proxies)) return { kind: 'rejected', reason: 'ticket-rejected' };
    const assertion = this.#assertionOf(answer);
    if (!assertion) return { kind: 'rejected', reason: 'claim-missing' };
    return { kind: 'authenticated', assertion, grant: { handles: [ticket] } };
  }

  #refuse(code: string): Outcome {
    const { log } = this.#context;
    const reason = ownFaults[code];
    if (reason) {
      // What it says of our request or of our registration says that it is well.
      const isWell = reason !== 'provider-broke';
      const cause = new Failure(reason, `CAS answers with ${code}`, isWell ? { answered: 'of-the-gateway' } : {});
      return cause.toOutcome();
    }
    if (code === 'INVALID_SERVICE')
      log.warn(
        { answer: code },
        'a ticket was for another service, or server.publicUrl is not the address that browsers use',
      );
    else log.info({ answer: code }, 'CAS does not accept a ticket');
    return { kind: 'rejected', reason: 'ticket-rejected' };
  }

  /** A chain counts whole: one stranger in it could have made up the user for all the others. */
  #areAllowed(ticket: string, proxies: readonly string[]): boolean {
    const allow = this.#options.proxy?.allow ?? [];
    const strangers = proxies.filter((proxy) => !allow.includes(proxy));
    const isAllowed = strangers.length === 0 && proxies.length > 0 === isProxyTicket(ticket);
    if (!isAllowed)
      this.#context.log.warn({ proxies, strangers }, 'a ticket came through services that proxy.allow does not list');
    return isAllowed;
  }

  /** Undefined when there is not exactly one value for the subject. */
  #assertionOf({ user, attributes: released }: Extract<TicketAnswer, { kind: 'success' }>): Assertion<Amr> | undefined {
    const { subject: source, ...wanted } = this.#options.attributes;
    const [found, ...others] = source === undefined ? [user] : (released.get(source) ?? []);
    const subject = federatedUsername(found ?? '');
    if (subject === undefined || others.length > 0) {
      this.#context.log.warn(
        { attribute: source },
        'CAS does not release one usable value of the attribute that names the user',
      );
      return undefined;
    }
    const valuesOf = (attribute: string) =>
      (released.get(attribute) ?? []).map((value) => value.trim()).filter(Boolean);
    const values = Object.entries(wanted).map(([name, attribute]) => [name, valuesOf(attribute)] as const);
    const attributes = Object.fromEntries(values.filter(([, list]) => list.length > 0));
    const acr = this.#classOf(released);
    return { realm: this.#context.name, subject, amr: ['cas'], ...(acr !== undefined && { acr }), attributes };
  }

  /** The class that is worth most of those that the attributes give and the configuration trusts. */
  #classOf(released: ReadonlyMap<string, readonly string[]>): string | undefined {
    const given = Object.entries(this.#options.trust?.attributes ?? {}).flatMap(([name, levels]) =>
      (released.get(name) ?? []).map((value) => ({ acr: classOfAttribute(name, value), level: levels[value] ?? 1 })),
    );
    return given.filter(({ level }) => level > 1).toSorted((a, b) => b.level - a.level)[0]?.acr;
  }

  #leaveFor(service: string, terms: Readonly<Record<string, string>> = {}): Offer {
    return { via: 'redirect', url: this.#client.address('login', { service, ...terms }) };
  }
}

/** What CAS issues a ticket for; the same text must come with the ticket. */
function serviceOf(callbackUrl: URL, flow: string): string {
  const service = new URL(callbackUrl);
  service.search = new URLSearchParams({ flow }).toString();
  return service.href;
}
