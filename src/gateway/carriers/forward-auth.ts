/**
 * Carries verdicts out for a front proxy that asks before it forwards: nginx's auth_request, and the forward-auth of
 * Traefik, Caddy and Envoy. What is asked about is read in `forward-auth-request.ts`; the pipeline decides, as it does for all.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { HeaderLines } from '../../core/request-head.ts';
import type { Forward, GatewayRequest, Verdict } from '../../core/verdict.ts';
import { headOf } from '../../edge/head-of.ts';
import type { ReplyHeaders } from '../../portal/send-page.ts';
import { compileNamespace, namesOfProxies } from '../../proxy/header-names.ts';
import type { RequestResult } from '../../telemetry/recorder.ts';
import { type Declined, type Decliner, loginAddressOf } from '../answer.ts';
import type { Decided } from '../decided.ts';
import type { Pipeline } from '../pipeline.ts';
import { readRequest } from '../request.ts';
import { type AnswerUse, type AskedReading, type AskedSetting, readAsked } from './forward-auth-request.ts';

/** What forward-auth works with. */
export interface ForwardAuthParts {
  readonly log: Log;
  readonly pipeline: Pipeline;
  readonly decliner: Decliner;
  readonly isTrusted: (address: string) => boolean;
  readonly publicUrl: URL;
  /** The names that any route's upstream is told an identity by, in lower case. */
  readonly identityNames: readonly string[];
  readonly setting: AskedSetting;
}

type Asked = Extract<AskedReading, { kind: 'ok' }>;

/** Beside the identity, what an upstream is sent in the place of the client's: cookies and credentials without ours. */
const replaced = ['cookie', 'authorization', 'x-request-id', 'traceparent'] as const;

/** Names of ours that proxies set or clear by themselves: that one arrives says nothing about what goes upstream. */
const forwarding =
  /^(?:x-forwarded-(?:for|proto|host|port|server|method|uri|prefix|scheme|ssl|by|upgrade|client-cert)|x-original-(?:uri|method|host|upgrade|route)|x-real-ip|x-request-id|forwarded)$/;

/** What the exported configurations clear by its name; what else begins like a name of proxies no list can hold. */
const listed: ReadonlySet<string> = new Set(namesOfProxies.names);

/** Answers front proxies. */
export class ForwardAuthCarrier {
  readonly #parts: ForwardAuthParts;
  readonly #owns: (name: string) => boolean;

  constructor(parts: ForwardAuthParts) {
    this.#parts = parts;
    this.#owns = compileNamespace(parts.identityNames, { toStrangers: true }).owns;
  }

  /** Never throws: what goes wrong is a 503. */
  async carry(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const call = readRequest(request, gone.signal);
    if (!this.#parts.isTrusted(call.peer)) {
      this.#parts.log.info(
        { request: call.id, address: call.peer },
        'a peer that is not in server.trustedProxies asked for a verdict',
      );
      const error = new GatewayError('LOGIN_REQUIRED', 'the peer is not in server.trustedProxies');
      return this.#conclude(refused(call, error, 'untrusted-peer'), request, response);
    }
    const asked = readAsked(call, this.#parts.setting);
    if (asked.kind === 'refused') {
      this.#parts.log.warn({ request: call.id, detail: asked.detail }, 'a front proxy did not say what it asks about');
      return this.#conclude(
        refused(call, new GatewayError('BAD_REQUEST', asked.detail), 'ambiguous-target'),
        request,
        response,
      );
    }
    pose(request, asked);
    const pending = this.#parts.pipeline.decide(asked.request);
    const decided = pending instanceof Promise ? await pending : pending;
    return this.#conclude(this.#review(decided, asked.use, call), request, response, asked);
  }

  /** What the pipeline has permitted and a front proxy must not carry, or not carry out by itself. */
  #review(decided: Decided, use: AnswerUse, call: GatewayRequest): Decided {
    const { verdict } = decided;
    const refuse = (...[code, reason, detail]: readonly [GatewayError['code'], Reason, string]): Decided => ({
      ...decided,
      verdict: { kind: 'refuse', error: new GatewayError(code, detail), reason },
    });
    if (verdict.kind === 'portal')
      return refuse('NOT_FOUND', 'no-route', "the gateway's own addresses are its own to answer");
    if (verdict.kind !== 'forward') return decided;
    const left = this.#leftover(call.headers, verdict.forward);
    if (left !== undefined)
      return refuse(
        'BAD_REQUEST',
        'ambiguous-header',
        `the client has set ${left}, which the proxy in front would send on`,
      );
    if (use === 'page')
      return refuse('UNAVAILABLE', 'internal-error', 'the proxy in front wants a refusal where there is none');
    return decided;
  }

  /**
   * A header that only the gateway may set, and that the proxy in front would send on as the client wrote it: misspelt, or
   * one that the answer has no value for (Caddy's CVE-2026-30851). The built-in proxy drops these; here nobody would.
   */
  #leftover(lines: HeaderLines, { headers }: Forward): string | undefined {
    const { identityNames } = this.#parts;
    let found: string | undefined;
    lines.each((name) => {
      if (found !== undefined || !this.#owns(name) || forwarding.test(name) || listed.has(name)) return;
      if (!identityNames.includes(name) || !headers.has(name)) found = name;
    });
    return found;
  }

  async #conclude(decided: Decided, request: IncomingMessage, response: ServerResponse, asked?: Asked): Promise<void> {
    let result: RequestResult;
    try {
      result = await this.#answer(decided, decided.verdict, request, response, asked);
    } catch (cause) {
      this.#parts.log.error(
        { request: decided.request.id, error: cause },
        'a verdict could not be given to the proxy in front',
      );
      const error = new GatewayError('UNAVAILABLE', 'a verdict could not be given', cause);
      result = await this.#parts.decliner.answer(
        decided,
        { kind: 'refuse', error, reason: 'internal-error' },
        request,
        response,
      );
    }
    if (!asked?.again) this.#parts.pipeline.finish(decided, result);
  }

  async #answer(
    decided: Decided,
    verdict: Verdict,
    request: IncomingMessage,
    response: ServerResponse,
    asked?: Asked,
  ): Promise<RequestResult> {
    switch (verdict.kind) {
      case 'forward':
        return this.#permit(verdict.forward, request, response, asked?.isEnvoy ?? false);
      case 'portal':
        throw new Error('the portal was asked about and not refused');
      default: {
        const isStatus = asked?.use !== 'pass' && asked?.use !== 'page';
        if (isStatus) this.#sayLogin(verdict, request, response);
        const told = asked?.answeredLater && verdict.kind === 'authenticate' ? { ...verdict, offers: [] } : verdict;
        return this.#parts.decliner.answer(decided, told, request, response, this.#originFor(decided));
      }
    }
  }

  #permit(forward: Forward, request: IncomingMessage, response: ServerResponse, isEnvoy: boolean): RequestResult {
    const headers: Record<string, string | readonly string[]> = { 'x-gatehouse-path': forward.upstreamPath };
    for (const name of [...this.#parts.identityNames, ...replaced]) {
      const value = forward.headers.get(name);
      if (value !== undefined) headers[name] = value;
    }
    // Envoy takes away what it is told to; the others clear by themselves what the answer leaves out.
    const absent = [...this.#parts.identityNames, 'cookie', 'authorization'].filter((name) => !(name in headers));
    if (isEnvoy && absent.length > 0) headers['x-envoy-auth-headers-to-remove'] = absent.join(',');
    // nginx and Caddy read one line of a name: each cookie also comes under a name of its own.
    for (const [index, cookie] of [forward.reply['set-cookie'] ?? []].flat().entries())
      headers[`x-gatehouse-set-cookie-${index + 1}`] = cookie;
    send(request, response, { ...headers, ...forward.reply });
    return { status: 200 };
  }

  /** A status for a proxy that shows it to nobody: in JSON whoever looks, with the login's address beside it. */
  #sayLogin(verdict: Declined, request: IncomingMessage, response: ServerResponse): void {
    request.rawHeaders = [...headOf(request).with('sec-fetch-mode', 'cors').raw];
    if (verdict.kind === 'authenticate' || verdict.kind === 'step-up')
      response.setHeader('x-gatehouse-login', this.#parts.publicUrl.origin + loginAddressOf(verdict));
  }

  /** Redirects are for the public host; those for a route's own host stay relative to what the browser asked. */
  #originFor({ target }: Decided): string {
    const { publicUrl } = this.#parts;
    return target === undefined || target.host === publicUrl.hostname ? publicUrl.origin : '';
  }
}

type Reason = Extract<Verdict, { kind: 'refuse' }>['reason'];

function refused(request: GatewayRequest, error: GatewayError, reason: Reason): Decided {
  const verdict: Verdict = { kind: 'refuse', error, reason };
  return { request: { ...request, asked: { sendsAsWritten: true } }, verdict, startedAt: performance.now() };
}

/**
 * From here on the call is the request that it asks about, so that everything after answers that one. A HEAD stays what it
 * is on the wire, and a form is only kept where its body has come along.
 */
function pose(request: IncomingMessage, { request: asked }: Asked): void {
  const hasBody = request.method === 'POST' && asked.headers.framing().kind !== 'none';
  if (asked.method !== 'HEAD') request.method = asked.method;
  request.url = asked.target;
  request.rawHeaders = [...asked.headers.without((name) => name === 'content-type' && !hasBody).raw];
}

function send(request: IncomingMessage, response: ServerResponse, headers: ReplyHeaders): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(200, {
    'cache-control': 'no-store',
    'content-length': 0,
    ...(headers as Record<string, string | string[]>),
  });
  if (!request.complete) request.resume();
  response.end();
}
