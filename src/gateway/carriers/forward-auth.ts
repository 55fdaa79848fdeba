/**
 * Carries verdicts out for a front proxy with forward auth: nginx's auth_request, and the forward-auth of
 * Traefik, Caddy and Envoy. What is asked about is read in `forward-auth-request.ts`; the pipeline decides, as it does for all.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AnswerHeaders } from '../../core/answer.ts';
import { GatewayError } from '../../core/errors.ts';
import type { HeaderLines } from '../../core/request-head.ts';
import type { Forward, GatewayRequest, Verdict } from '../../core/verdict.ts';
import { headOf } from '../../edge/head-of.ts';
import { writeAnswer } from '../../edge/write-answer.ts';
import { isNavigation } from '../../portal/send-page.ts';
import { compileNamespace, namesOfProxies } from '../../proxy/header-names.ts';
import type { SiteOrigins } from '../../routing/site-origins.ts';
import type { RequestResult } from '../../telemetry/recorder.ts';
import type { Declined } from '../answer.ts';
import type { Decided } from '../decided.ts';
import { besidesFrontProxy } from '../fixed-answer.ts';
import { loginAddressOf } from '../login-address.ts';
import { readRequest } from '../request.ts';
import { type CarryParts, carryOut, resultOf } from './carry.ts';
import { type AnswerUse, type AskedReading, type AskedSetting, readAsked } from './forward-auth-request.ts';
import { takeDecision } from './lent-decision.ts';

interface ForwardAuthParts extends CarryParts {
  readonly isTrusted: (address: string) => boolean;
  readonly origins: SiteOrigins;
  /** The names that any route's upstream is told an identity by, in lower case. */
  readonly identityNames: readonly string[];
  /** The headers under which routes take API tokens, in lower case. */
  readonly tokenHeaders: readonly string[];
  readonly setting: AskedSetting;
}

/** A call that could be read. */
export type Asked = Extract<AskedReading, { kind: 'ok' }>;

/** A call of the forward-auth address; what it asks about, where that could be read. */
interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly asked: Asked | undefined;
}

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
    const { log, pipeline } = this.#parts;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const call = readRequest(request, gone.signal);
    const made = takeDecision(request.socket);
    const reading = this.#read(call);
    const decided =
      'verdict' in reading ? reading : this.review(made ?? (await pipeline.decide(reading.request)), reading.use, call);
    const asked = 'verdict' in reading ? undefined : reading;
    const result = await carryOut(log, decided, {
      carryOut: async ({ verdict }) => this.#carryOut(decided, verdict, { request, response, asked }),
      decline: (_decided, verdict) => this.#decline(decided, verdict, { request, response, asked }),
    });
    if (!asked?.again) pipeline.finish(decided, result);
  }

  /** What a trusted peer asks about; undefined where that is to be refused, which `carry` does. */
  asked(call: GatewayRequest): Asked | undefined {
    if (!this.#parts.isTrusted(call.peer)) return undefined;
    const asked = readAsked(call, this.#parts.setting);
    return asked.kind === 'ok' ? asked : undefined;
  }

  /** What is asked about, or the refusal of who may not ask or does not say what about. */
  #read(call: GatewayRequest): Asked | Decided {
    const { log, isTrusted, setting } = this.#parts;
    if (!isTrusted(call.peer)) {
      log.info(
        { request: call.id, address: call.peer },
        'a peer that is not in server.trustedProxies asked for a verdict',
      );
      const error = new GatewayError('LOGIN_REQUIRED', 'the peer is not in server.trustedProxies');
      return refused(call, error, 'untrusted-peer');
    }
    const asked = readAsked(call, setting);
    if (asked.kind === 'ok') return asked;
    log.warn({ request: call.id, detail: asked.detail }, 'a front proxy did not say what it asks about');
    return refused(call, new GatewayError('BAD_REQUEST', asked.detail), 'ambiguous-target');
  }

  /** What the pipeline has permitted and a front proxy must not carry, or not carry out by itself. */
  review(decided: Decided, use: AnswerUse, call: Pick<GatewayRequest, 'headers'>): Decided {
    const { verdict } = decided;
    const refuse = (...[code, reason, detail]: readonly [GatewayError['code'], RefusalReason, string]): Decided => ({
      ...decided,
      verdict: { kind: 'refuse', error: new GatewayError(code, detail), reason },
    });
    if (verdict.kind === 'portal')
      return refuse('NOT_FOUND', 'no-route', "the gateway's own addresses are its own to answer");
    if (verdict.kind === 'answer') {
      const instead = besidesFrontProxy(verdict, use);
      return instead ? { ...decided, verdict: instead } : decided;
    }
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
  #leftover(lines: HeaderLines, { headers, route }: Forward): string | undefined {
    const { identityNames } = this.#parts;
    const setsCredentials = route.headers.some(({ name }) => name.toLowerCase() === 'authorization');
    let found: string | undefined;
    lines.each((name) => {
      if (found !== undefined || !this.#isOurs(name)) return;
      // A client's own credentials are its own where the route sends none: the answer says what is left of them.
      if (name === 'authorization' && !setsCredentials) return;
      if (!identityNames.includes(name) || !headers.has(name)) found = name;
    });
    return found;
  }

  /** Whether a header may be one that the proxy in front would send on in our name. */
  #isOurs(name: string): boolean {
    return this.#owns(name) && !forwarding.test(name) && !listed.has(name);
  }

  /** Whether a call brings nothing that could be left over, whoever asks. */
  isClean(lines: HeaderLines): boolean {
    let isClean = true;
    lines.each((name) => {
      if (this.#isOurs(name)) isClean = false;
    });
    return isClean;
  }

  async #carryOut(decided: Decided, verdict: Verdict, call: Call): Promise<RequestResult> {
    switch (verdict.kind) {
      case 'forward':
        return this.#permit(verdict.forward, call);
      case 'portal':
        throw new Error('the portal was asked about and not refused');
      default:
        return this.#decline(decided, verdict, call);
    }
  }

  /** A status for a proxy that shows it to nobody is JSON whoever looks, with the login's address beside it. */
  async #decline(decided: Decided, verdict: Declined, { request, response, asked }: Call): Promise<RequestResult> {
    const { answers, origins } = this.#parts;
    const isStatus = asked?.use !== 'pass' && asked?.use !== 'page';
    const told = asked?.answeredLater && verdict.kind === 'authenticate' ? { ...verdict, offers: [] } : verdict;
    const asking = {
      request: decided.request,
      client: decided.client,
      reply: decided.reply,
      isPage: !isStatus && isNavigation(decided.request.headers),
      origin: this.#originFor(decided),
      // The form itself has come along where the call is one.
      form: request.method === 'POST' && headOf(request).framing().kind !== 'none' ? request : undefined,
    };
    const answer = await answers.to(asking, told);
    const login =
      isStatus && (verdict.kind === 'authenticate' || verdict.kind === 'step-up' || verdict.kind === 'login-step')
        ? { 'x-gatehouse-login': origins.trustedAt(verdict.target) + loginAddressOf(verdict) }
        : {};
    writeAnswer(request, response, { ...answer, headers: { ...answer.headers, ...login } });
    return resultOf(answer.status, verdict);
  }

  #permit(forward: Forward, { request, response, asked }: Call): RequestResult {
    if (!request.complete) request.resume();
    const headers = this.permitHeaders(forward, asked?.isEnvoy === true);
    writeAnswer(request, response, { status: 200, headers, body: '' });
    return { status: 200 };
  }

  /** What a permission tells the proxy in front. */
  permitHeaders(forward: Forward, isEnvoy: boolean): AnswerHeaders {
    const headers: Record<string, string | readonly string[]> = { 'x-gatehouse-path': forward.upstreamPath };
    const { identityNames, tokenHeaders } = this.#parts;
    for (const name of [...identityNames, ...replaced, ...tokenHeaders]) {
      const value = forward.headers.get(name);
      if (value !== undefined) headers[name] = value;
    }
    // Envoy takes away what it is told to; the others clear by themselves what the answer leaves out.
    const absent = [...identityNames, 'cookie', 'authorization', ...tokenHeaders].filter((name) => !(name in headers));
    if (isEnvoy && absent.length > 0) headers['x-envoy-auth-headers-to-remove'] = absent.join(',');
    // nginx and Caddy read one line of a name: each cookie also comes under a name of its own.
    for (const [index, cookie] of [forward.reply['set-cookie'] ?? []].flat().entries())
      headers[`x-gatehouse-set-cookie-${index + 1}`] = cookie;
    return { ...headers, ...forward.reply };
  }

  /** What is not known to be an origin of the site stays relative to what the browser asked. */
  #originFor({ target }: Decided): string {
    const { origins } = this.#parts;
    return target === undefined ? origins.publicOrigin : (origins.of(target) ?? '');
  }
}

type RefusalReason = Extract<Verdict, { kind: 'refuse' }>['reason'];

function refused(request: GatewayRequest, error: GatewayError, reason: RefusalReason): Decided {
  const verdict: Verdict = { kind: 'refuse', error, reason };
  return { request: { ...request, asked: { sendsAsWritten: true } }, verdict, startedAt: performance.now() };
}
