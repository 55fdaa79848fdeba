/**
 * What answers a request that is not forwarded, as data: to the login page, to its confirmation, elsewhere, or a refusal, as a
 * page to people and as JSON to programs. The same over every connection, and for what a front proxy asks about.
 */
import type { IncomingMessage } from 'node:http';
import {
  type Answer,
  type AnswerHeaders,
  jsonAnswer,
  permanentRedirect,
  redirectAnswer,
  withHeaders,
} from '../core/answer.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Reason } from '../core/reason.ts';
import type { Client, GatewayRequest, Verdict } from '../core/verdict.ts';
import type { Notice } from '../pages/fields.ts';
import type { PageSender } from '../portal/page-sender.ts';
import type { Portal } from '../portal/portal.ts';
import type { SavedPosts } from '../portal/post-replay.ts';
import { challengesOf, isInsufficient, showsBearer } from './challenges.ts';
import { fromOrigin } from './fixed-answer.ts';
import {
  asksForFactor,
  loginAddress,
  loginAddressOf,
  noticeFor,
  noticeForForm,
  returnFor,
  stepUpAddress,
} from './login-address.ts';

/** A verdict that forwards nothing. */
export type Declined = Exclude<Verdict, { readonly kind: 'forward' | 'portal' }>;

/** Who asks, and how: what an answer follows from beside the verdict. */
export interface Asking {
  readonly request: Pick<GatewayRequest, 'id' | 'method' | 'target' | 'headers' | 'upgrade' | 'signal' | 'peer'>;
  /** Absent when the request could not be read that far. */
  readonly client?: Client | undefined;
  /** Whether a person sees the answer, so that it is a page or leads to one. */
  readonly isPage: boolean;
  /**
   * Stands before redirects: nothing where the browser asked us, the public origin where a front proxy did, since some resolve
   * what is relative against the address that they asked.
   */
  readonly origin?: string;
  /** What is set with whatever answers, as the decision has it. */
  readonly reply?: AnswerHeaders | undefined;
  /** Where a form that was sent can still be read from. */
  readonly form?: IncomingMessage | undefined;
}

/** An answer, or what has to be done first: the login page asks the chain for its ways, and a form is read and kept. */
type Answering =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | {
      readonly kind: 'login-page';
      readonly challenge: AnswerHeaders;
      readonly returnTo: string;
      readonly notice?: Notice;
    }
  | { readonly kind: 'keep-form' };

/** What an answer is made with. */
interface AnswerParts {
  readonly pages: Pick<PageSender, 'page' | 'error'>;
  readonly publicUrl: URL;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

type Authenticate = Extract<Verdict, { kind: 'authenticate' }>;
type StepUp = Extract<Verdict, { kind: 'step-up' }>;

/** The answer to a request that is not forwarded. Pure. */
export function answerFor(asking: Asking, verdict: Declined, parts: AnswerParts): Answering {
  const { request } = asking;
  switch (verdict.kind) {
    case 'authenticate':
      return authenticate(asking, verdict, parts);
    case 'redirect':
      return request.upgrade
        ? { kind: 'answer', answer: parts.pages.error(asking, { requestId: request.id, ...inexact() }) }
        : { kind: 'answer', answer: permanentRedirect(request.method, originOf(asking) + verdict.location) };
    case 'answer':
      return { kind: 'answer', answer: fromOrigin(verdict.answer, originOf(asking)) };
    case 'login-step': {
      const { location, reason } = verdict;
      if (!asking.isPage) return { kind: 'answer', answer: loginRequired(request, { reason, login: location }) };
      return { kind: 'answer', answer: redirectAnswer(request.method, originOf(asking) + location) };
    }
    case 'step-up':
      if (asking.isPage && !isRead(request)) return { kind: 'keep-form' };
      return { kind: 'answer', answer: stepUp(asking, verdict) };
    case 'refuse':
      return { kind: 'answer', answer: parts.pages.error(asking, { requestId: request.id, ...verdict }) };
    default:
      return verdict satisfies never;
  }
}

interface AnswersParts extends Omit<AnswerParts, 'now'> {
  readonly portal: Portal;
  readonly posts: SavedPosts;
  readonly clock: Clock;
}

/** Makes the answers that take more than the request, too; to write them is the carriers' affair. */
export class Answers {
  readonly #parts: AnswersParts;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
  }

  async to(asking: Asking, verdict: Declined): Promise<Answer> {
    const answer = await this.#answer(asking, verdict);
    return asking.reply ? withHeaders(answer, asking.reply) : answer;
  }

  async #answer(asking: Asking, verdict: Declined): Promise<Answer> {
    const { portal, clock } = this.#parts;
    const answering = answerFor(asking, verdict, { ...this.#parts, now: clock.now() });
    if (answering.kind === 'answer') return answering.answer;
    const { request, client } = asking;
    const asksForLogin = verdict.kind === 'authenticate' || verdict.kind === 'step-up';
    if (!asksForLogin || !client) throw new Error('nobody who was read may sign in here');
    if (answering.kind === 'keep-form') return this.#keepForm(asking, verdict, client);
    const context = { requestId: request.id, client, signal: request.signal, target: verdict.target };
    return portal.loginPage({ headers: request.headers, context }, answering);
  }

  /** A form whose session has ended, or must be proved anew: kept where the route allows it, else the page says that it was not sent. */
  async #keepForm(
    { request, form, ...asking }: Asking,
    verdict: Authenticate | StepUp,
    client: Client,
  ): Promise<Answer> {
    const { posts, pages } = this.#parts;
    const sent = { method: request.method, headers: request.headers, body: form };
    const kept = await posts.keep(sent, verdict.route, verdict.target, client.address);
    if (kept.kind === 'kept') {
      const cookie = kept.cookie && { 'set-cookie': kept.cookie };
      const login = addressOf(verdict, kept.returnTo, noticeForForm(verdict.reason));
      return redirectAnswer(request.method, originOf(asking) + login, cookie || {});
    }
    return pages.page(request.headers, 401, {
      kind: 'not-sent',
      reason: kept.reason,
      openHref: addressOf(verdict, returnFor(request, verdict.target)),
      signIn: true,
      requestId: request.id,
    });
  }
}

/** Where a form leads on from, with what is said there: a login, a fresh proof, or a factor. */
function addressOf(verdict: Authenticate | StepUp, returnTo: string, notice?: string): string {
  if (verdict.kind === 'step-up' && asksForFactor(verdict.route, verdict.reason))
    return stepUpAddress(verdict, returnTo);
  const confirm = verdict.kind === 'step-up' && { confirm: '1' };
  return loginAddress(returnTo, { ...(notice !== undefined && { notice }), ...confirm });
}

/** The level that a location asks for, where that is what is lacking. */
function levelOf({ route, reason }: Pick<Authenticate | StepUp, 'route' | 'reason'>): { readonly level?: number } {
  if (!asksForFactor(route, reason) || typeof route.access !== 'object') return {};
  return { level: route.access.level ?? 2 };
}

function authenticate(asking: Asking, verdict: Authenticate, parts: AnswerParts): Answering {
  const { request, isPage } = asking;
  const challenge = challengesOf(asking, verdict, parts);
  if (showsBearer(request.headers) || verdict.isProgram || !isPage) {
    const login = loginAddress(returnFor(request, verdict.target));
    const lacking = isInsufficient(verdict.reason) && { reason: verdict.reason, ...levelOf(verdict) };
    return { kind: 'answer', answer: loginRequired(request, { ...lacking, login }, challenge) };
  }
  if (!isRead(request)) return { kind: 'keep-form' };
  if (!('www-authenticate' in challenge)) {
    const location = originOf(asking) + loginAddressOf(verdict);
    return { kind: 'answer', answer: redirectAnswer(request.method, location, challenge) };
  }
  // A browser without a ticket shows the body of the 401: the login page itself.
  const notice = noticeFor(verdict.reason);
  // No password was asked for that could have gone unchecked.
  const code = notice === 'unavailable' ? 'method-unavailable' : notice;
  const returnTo = verdict.target.path + verdict.target.query;
  return { kind: 'login-page', challenge, returnTo, ...(code && { notice: { code } }) };
}

function stepUp(asking: Asking, verdict: StepUp): Answer {
  const { request, isPage } = asking;
  if (isPage && isRead(request)) return redirectAnswer(request.method, originOf(asking) + loginAddressOf(verdict));
  const login = stepUpAddress(verdict, returnFor(request, verdict.target));
  return loginRequired(request, { reason: verdict.reason, ...levelOf(verdict), login });
}

function loginRequired({ id }: Asking['request'], more: object, headers: AnswerHeaders = {}): Answer {
  return jsonAnswer(401, { error: 'login-required', ...more }, { ...headers, 'x-request-id': id });
}

function inexact(): { readonly error: GatewayError; readonly reason: Reason } {
  return { error: new GatewayError('NOT_FOUND', 'a WebSocket needs the exact address'), reason: 'no-route' };
}

function originOf({ origin = '' }: Pick<Asking, 'origin'>): string {
  return origin;
}

function isRead({ method }: Asking['request']): boolean {
  return method === 'GET' || method === 'HEAD';
}
