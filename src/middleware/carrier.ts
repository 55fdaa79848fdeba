/**
 * Carries verdicts out inside an application: what would be forwarded goes on to the application's own handlers, dressed as
 * an upstream would receive it. `middleware.ts` is what an application sees of it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { copyPrincipal, type Principal } from '../core/principal.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Forward, Verdict } from '../core/verdict.ts';
import type { Declined } from '../gateway/answer.ts';
import type { Gateway } from '../gateway/build.ts';
import { declineUpgrade } from '../gateway/carriers/websocket.ts';
import type { Decided } from '../gateway/decided.ts';
import { readRequest } from '../gateway/request.ts';
import { type Connections, openedBy } from '../proxy/connections.ts';
import type { RequestResult } from '../telemetry/recorder.ts';
import { endWebSocket, OpenExchanges } from './exchanges.ts';
import { addHeaders, dropTrailers, headersInApp, type MessageHeaders, replaceHeaders } from './headers.ts';

/** A request as an application knows it: Express keeps the address as written, too, and we add who it comes from. */
export type AppRequest = IncomingMessage & { originalUrl?: string; principal?: Principal };

/** A request that was let through: what was decided, and what it looked like before. */
interface Admission {
  decided: Decided;
  result?: RequestResult;
  readonly original: MessageHeaders;
  /** The roles of every demand that has been met, for as long as it is open. */
  readonly demands: (readonly string[])[];
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

const admissions = new WeakMap<IncomingMessage, Admission>();

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

  /** The roles that the configuration knows. */
  get roles(): readonly string[] {
    return Object.keys(this.#gateway.document.roles);
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
    const { rawHeaders, headers, headersDistinct } = request;
    const original = { rawHeaders, headers, headersDistinct };
    const admission: Admission = { decided, original, demands: [], closed, carrier: this };
    admissions.set(request, admission);
    void closed.then(() => this.#finish(admission, response));
    return this.#carryOut(admission, request, response);
  }

  /**
   * Decides anew on a request that was let through, as if its location asked for one of these roles. True: it may go on.
   * False: it has been answered, as a location would have answered it.
   */
  async demand(request: AppRequest, response: ServerResponse, roles: readonly string[]): Promise<boolean> {
    const admission = admissions.get(request);
    if (!admission) throw new Error('a demand on a request that no gateway has let through');
    const { decided, original } = admission;
    admission.demands.push(roles);
    const { verdict: before, target } = decided;
    if (decided.principal && roles.some((role) => decided.principal?.roles.has(role))) return true;
    const anew = await this.#gateway.pipeline.decide({ ...decided.request, roles });
    admission.decided = { ...anew, startedAt: decided.startedAt };
    if (anew.verdict.kind !== 'forward') {
      // Declined as it came: the pages ask for the address, which a router has shortened, and for our cookies.
      replaceHeaders(request, original);
      if (target) request.url = target.path + target.query;
    }
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
      this.#gateway.pipeline.finish(decided, declineUpgrade(decided, verdict, socket));
      return undefined;
    }
    socket.off('error', answerErrors);
    if (socket.destroyed) {
      this.#gateway.pipeline.finish(decided, { status: 499 });
      return undefined;
    }
    const { principal, session, route } = verdict.forward;
    this.#dress(request, verdict.forward, decided.request.headers);
    let id = session?.id;
    const moved = (next: string): void => {
      id = next;
    };
    const opened = openedBy(verdict.forward);
    void closed.then(this.#connections.add(id, { kind: 'websocket', opened, end: endWebSocket(socket), moved }));
    void closed.then(() => this.#gateway.pipeline.finish(decided, { status: 101 }));
    return {
      ...(principal && { principal: copyPrincipal(principal) }),
      touch: () => {
        if (id !== undefined && route.idleActivity) this.#noteActivity(id);
      },
    };
  }

  async #carryOut(
    admission: Admission,
    request: AppRequest,
    response: ServerResponse,
    before?: Verdict,
  ): Promise<boolean> {
    const { verdict } = admission.decided;
    try {
      if (verdict.kind !== 'forward') {
        response.removeHeader('x-powered-by');
        admission.result = await this.#answer(admission.decided, verdict, request, response);
        return false;
      }
      const { forward } = verdict;
      if (before?.kind === 'forward') addIdentity(request, before.forward, forward);
      else this.#dress(request, forward, admission.decided.request.headers);
      for (const [name, value] of Object.entries(forward.reply)) reply(response, name, value);
      const opened = openedBy(forward, admission.demands);
      const end = (): void => void response.destroy();
      void admission.closed.then(this.#connections.add(forward.session?.id, { kind: 'request', opened, end }));
      if (!forward.principal) await this.#greet(request, admission.decided.request.headers);
      return true;
    } catch (cause) {
      const { id } = admission.decided.request;
      this.#log.error({ request: id, error: cause }, 'a verdict could not be carried out');
      const error = new GatewayError('UNAVAILABLE', 'a verdict could not be carried out', cause);
      const failed: Declined = { kind: 'refuse', error, reason: 'internal-error' };
      admission.result = await this.#gateway.decliner.answer(admission.decided, failed, request, response);
      return false;
    }
  }

  async #answer(
    decided: Decided,
    verdict: Exclude<Verdict, { readonly kind: 'forward' }>,
    request: AppRequest,
    response: ServerResponse,
  ): Promise<RequestResult> {
    const { portal, decliner } = this.#gateway;
    if (verdict.kind === 'authenticate' && request.readableDidRead) {
      const route = { ...verdict.route, replayPosts: false };
      return decliner.answer(decided, { ...verdict, route }, request, response);
    }
    if (verdict.kind !== 'portal') return decliner.answer(decided, verdict, request, response);
    if (request.method === 'POST' && request.readableDidRead)
      throw new Error(
        'a form of the login pages was read by something else: app.use(gatehouse(…)) before body parsers',
      );
    return portal.answer(request, response, {
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

  /** Where anybody may pass, an application likes to know who is there all the same; a store out of reach does not matter. */
  async #greet(request: AppRequest, client: HeaderLines): Promise<void> {
    if (!client.has('cookie')) return;
    const { authenticator } = this.#gateway;
    try {
      const session = await authenticator.visitor(client);
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

  #finish({ decided, result }: Admission, response: ServerResponse): void {
    const status = response.writableFinished ? response.statusCode : 499;
    this.#gateway.pipeline.finish(decided, result ?? { status });
  }
}

/** What a demand has brought to light; whatever the application has changed since stays as it is. */
function addIdentity(request: AppRequest, before: Forward, now: Forward): void {
  addHeaders(request, new Map([...now.headers].filter(([name]) => !before.headers.has(name))));
  if (now.principal) request.principal = copyPrincipal(now.principal);
}

/** Cookies and challenges add up; everything else is one. */
function reply(response: ServerResponse, name: string, value: string | readonly string[]): void {
  const values = typeof value === 'string' ? [value] : [...value];
  if (name === 'set-cookie' || name === 'www-authenticate') response.appendHeader(name, values);
  else response.setHeader(name, values);
}
