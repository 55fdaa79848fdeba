/**
 * Carries verdicts out inside an application: what would be forwarded goes on to the application's own handlers, dressed as
 * an upstream would receive it. `middleware.ts` is what an application sees of it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../core/log.ts';
import { copyPrincipal, type Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { AppDemand, Forward, Verdict } from '../core/verdict.ts';
import { addHeaders as addReplyHeaders } from '../edge/write-answer.ts';
import type { Gateway } from '../gateway/build.ts';
import { carryOut, respond } from '../gateway/carriers/carry.ts';
import { closedTo, declineOn } from '../gateway/carriers/websocket.ts';
import type { Decided } from '../gateway/decided.ts';
import { readRequest } from '../gateway/request.ts';
import { isForOneAmongOthers } from '../proxy/answer-caching.ts';
import type { Connections } from '../proxy/connections.ts';
import { openedBy } from '../proxy/live-connection.ts';
import { isPreflight } from '../routing/cors.ts';
import type { RequestResult } from '../telemetry/recorder.ts';
import { bindCookies } from './answer-cookies.ts';
import { OpenExchanges, watchWebSocket } from './exchanges.ts';
import { addHeaders, dropTrailers, headersInApp, replaceHeaders } from './headers.ts';

/** A request as an application knows it: Express keeps the address as written, too, and we add who it comes from. */
export type AppRequest = IncomingMessage & { originalUrl?: string; principal?: Principal };

/** A request that was let through, and what was decided. */
interface AdmittedRequest {
  decided: Decided;
  result?: RequestResult;
  /** Every demand that has been met, for as long as it is open. */
  readonly demands: AppDemand[];
  /** Resolves when the answer is out, or the client has gone. */
  readonly closed: Promise<void>;
  readonly carrier: AppCarrier;
}

/** A WebSocket that may be opened. */
export interface AdmittedUpgrade {
  /** Absent where the location is public. */
  readonly principal?: Principal;
  /** Counts as activity of the user, where the location lets it: call it when a message arrives. */
  touch(): void;
}

const admissions = new WeakMap<IncomingMessage, AdmittedRequest>();

/** What an application's own demand works with; undefined when no gateway has let the request through. */
export function carrierOf(request: IncomingMessage): AppCarrier | undefined {
  return admissions.get(request)?.carrier;
}

/** Answers requests that an application must not see, and prepares those that it may. */
export class AppCarrier {
  readonly #gateway: Gateway;
  readonly #connections: Connections;
  readonly #log: Log;
  readonly #exchanges = new OpenExchanges();

  constructor(gateway: Gateway, { connections, log }: { readonly connections: Connections; readonly log: Log }) {
    this.#gateway = gateway;
    this.#connections = connections;
    this.#log = log;
  }

  get document(): Gateway['document'] {
    return this.#gateway.document;
  }

  /** Resolves when every request and WebSocket that was carried has ended. */
  idle(): Promise<void> {
    return this.#exchanges.idle();
  }

  /** True: the request goes on to the application. False: it has been answered. Never throws. */
  async carry(request: AppRequest, response: ServerResponse): Promise<boolean> {
    const gone = new AbortController();
    const closed = this.#exchanges.end(response);
    void closed.then(() => gone.abort());
    const decided = await this.#gateway.pipeline.decide(readRequest(request, gone.signal));
    const admission: AdmittedRequest = { decided, demands: [], closed, carrier: this };
    admissions.set(request, admission);
    void closed.then(() => this.#finish(admission, response));
    return this.#carryOut(admission, request, response);
  }

  /**
   * Decides anew on a request that was let through, as if its location asked for this. True: it may go on. False: it has been
   * answered, as a location would have answered it.
   */
  async demand(request: AppRequest, response: ServerResponse, demand: AppDemand): Promise<boolean> {
    const admission = admissions.get(request);
    if (!admission) throw new Error('a demand on a request that no gateway has let through');
    const { decided } = admission;
    admission.demands.push(demand);
    const { verdict: before } = decided;
    if (demand.level === undefined && demand.roles?.some((role) => decided.principal?.roles.has(role))) return true;
    const anew = await this.#gateway.pipeline.decide({ ...decided.request, demand });
    admission.decided = { ...anew, startedAt: decided.startedAt };
    return this.#carryOut(admission, request, response, before);
  }

  /** Lets a WebSocket through, or answers on its socket and yields undefined. Never throws. */
  async upgrade(request: AppRequest, socket: Duplex): Promise<AdmittedUpgrade | undefined> {
    const gone = new AbortController();
    const closed = this.#exchanges.end(socket);
    void closed.then(() => gone.abort());
    const answerErrors = (): void => void socket.destroy();
    socket.on('error', answerErrors);
    const decided = await this.#gateway.pipeline.decide(readRequest(request, gone.signal, true));
    const { verdict } = decided;
    if (verdict.kind !== 'forward') {
      const result = await declineOn(socket, this.#gateway.answers, decided, closedTo(verdict));
      this.#gateway.pipeline.finish(decided, result);
      return undefined;
    }
    socket.off('error', answerErrors);
    if (socket.destroyed) {
      this.#gateway.pipeline.finish(decided, { status: 499 });
      return undefined;
    }
    const { principal, session, route } = verdict.forward;
    this.#dress(request, verdict.forward, decided.request.headers);
    const watched = watchWebSocket(socket);
    let id = session?.id;
    const moved = (next: string): void => {
      id = next;
    };
    const opened = openedBy(verdict.forward);
    void closed.then(this.#connections.add(id, { kind: 'websocket', opened, end: watched.end, moved }));
    void closed.then(() => {
      const { reason, up, down } = watched.result();
      this.#gateway.pipeline.finish(decided, { status: 101, ...(reason && { reason }) });
      this.#gateway.pipeline.ended(decided, { ...(reason && { endedBy: 'gateway', reason }), up, down });
    });
    return {
      ...(principal && { principal: copyPrincipal(principal) }),
      touch: () => {
        if (id !== undefined && route.idleActivity) this.#noteActivity(id);
      },
    };
  }

  async #carryOut(
    admission: AdmittedRequest,
    request: AppRequest,
    response: ServerResponse,
    before?: Verdict,
  ): Promise<boolean> {
    const { answers } = this.#gateway;
    // A form that something has read already cannot be kept.
    const form = request.readableDidRead ? undefined : request;
    const result = await carryOut<RequestResult | undefined>(this.#log, admission.decided, {
      carryOut: async (decided) => {
        const { verdict } = decided;
        if (verdict.kind === 'forward') return this.#admit(admission, request, response, verdict.forward, before);
        response.removeHeader('x-powered-by');
        if (verdict.kind === 'portal') return this.#answerPortal(decided, verdict, request, response);
        return respond(answers, decided, verdict, { request, response, form });
      },
      decline: (decided, verdict) => respond(answers, decided, verdict, { request, response, form }),
    });
    if (result) admission.result = result;
    return result === undefined;
  }

  async #admit(
    admission: AdmittedRequest,
    request: AppRequest,
    response: ServerResponse,
    forward: Forward,
    before?: Verdict,
  ): Promise<undefined> {
    const client = admission.decided.request.headers;
    if (before?.kind === 'forward') addIdentity(request, before.forward, forward);
    else this.#dress(request, forward, client);
    if (isForOneAmongOthers(forward)) response.setHeader('cache-control', 'private');
    if (before === undefined) bindCookies(response, this.#gateway.cookies, () => admission.decided.verdict);
    for (const line of forward.firstCookies ?? []) response.appendHeader('set-cookie', line);
    addReplyHeaders(response, forward.reply);
    const opened = openedBy(forward, admission.demands);
    const end = (reason: Reason): void => {
      admission.result = { status: 499, reason };
      response.destroy();
    };
    void admission.closed.then(this.#connections.add(forward.session?.id, { kind: 'request', opened, end }));
    if (!forward.principal && !isPreflight(admission.decided.request))
      await this.#greet(request, client, forward.target);
  }

  #answerPortal(
    decided: Decided,
    verdict: Extract<Verdict, { readonly kind: 'portal' }>,
    request: AppRequest,
    response: ServerResponse,
  ): Promise<RequestResult> {
    if (request.method === 'POST' && request.readableDidRead)
      throw new Error(
        'a form of the login pages was read by something else: app.use(gatehouse(…)) before body parsers',
      );
    return this.#gateway.portal.answer(request, response, {
      requestId: decided.request.id,
      client: verdict.client,
      target: verdict.target,
      signal: decided.request.signal,
    });
  }

  /** What the application sees of the request: one address, and headers of which ours are ours. */
  #dress(request: AppRequest, forward: Forward, client: HeaderLines): void {
    replaceHeaders(request, headersInApp(client, forward.headers));
    dropTrailers(request);
    request.url = forward.upstreamPath;
    if (request.originalUrl !== undefined) request.originalUrl = forward.upstreamPath;
    if (forward.principal) request.principal = copyPrincipal(forward.principal);
    else delete request.principal;
  }

  /** Where anybody may pass, an application likes to know who is there, but for a preflight; the store may be out of reach. */
  async #greet(request: AppRequest, client: HeaderLines, target: Forward['target']): Promise<void> {
    if (!client.has('cookie')) return;
    const { authenticator } = this.#gateway;
    try {
      const session = await authenticator.visitor(client, target);
      if (session) request.principal = copyPrincipal(authenticator.principal(session));
    } catch (error) {
      this.#log.warn({ error }, 'the session of a visitor to a public location could not be read');
    }
  }

  #noteActivity(session: string): void {
    this.#gateway.authenticator.touchLive(session).catch((error: unknown) => {
      this.#log.warn({ session, error }, 'the activity of a WebSocket could not be noted');
    });
  }

  #finish({ decided, result }: AdmittedRequest, response: ServerResponse): void {
    const status = response.writableFinished ? response.statusCode : 499;
    this.#gateway.pipeline.finish(decided, result ?? { status });
  }
}

/** What a demand has brought to light; whatever the application has changed since stays as it is. */
function addIdentity(request: AppRequest, before: Forward, now: Forward): void {
  addHeaders(request, new Map([...now.headers].filter(([name]) => !before.headers.has(name))));
  if (now.principal) request.principal = copyPrincipal(now.principal);
}
