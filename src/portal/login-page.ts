/** The login page and its relatives as they are shown: which ways in there are, and what ties their form to this browser. */

import type { Answer, AnswerHeaders } from '../core/answer.ts';
import type { PasswordRefusal } from '../core/outcome.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { WordsForVisitors } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import { writeAnswer } from '../edge/write-answer.ts';
import type { NewPasswordReason } from '../login/password-form.ts';
import type { Notice } from '../pages/fields.ts';
import type { Way } from '../pages/login.ts';
import type { ChainOffer, ChainResult } from '../providers/chain.ts';
import { handoverPath, passkeyAddress } from './addresses.ts';
import type { PortalAsker, PortalParts, PortalRequest } from './context.ts';
import { lastMethod } from './last-method.ts';

/** What the tokens of the login form are for. */
export const purpose = 'login';

/** A circuit breaker looks about as often by itself. */
const awayRetrySeconds = 2;

/** What the page may be told by its address: what happened before, never what a link from elsewhere wants it to say. */
const calmNotices: ReadonlySet<string> = new Set([
  'session-idle',
  'session-ended',
  'form-kept',
  'flow-expired',
  'method-failed',
  'not-admitted',
  'method-unavailable',
] satisfies Notice['code'][]);

/** What an address may have the page say; of an outage, that no password was asked for. */
export function noticeIn(word: string | undefined): Notice['code'] | undefined {
  const code = word === 'unavailable' ? 'method-unavailable' : word;
  return code !== undefined && calmNotices.has(code) ? (code as Notice['code']) : undefined;
}

/** What the page is made from. */
export type LoginPageParts = Pick<
  PortalParts,
  'pages' | 'browsers' | 'signIn' | 'label' | 'labelAt' | 'handovers' | 'defaultMethod' | 'offline' | 'passkeys'
>;

/** What the login page is asked to be: where it leads, for whom, in which manner. */
export interface Wish {
  readonly returnTo: string;
  readonly confirm: boolean;
  /** Somebody else is to sign in, whoever is signed in. */
  readonly isSwitch?: boolean;
  readonly username?: string;
  readonly notice?: Notice;
}

/** The login page, or the one that asks somebody signed in to confirm. */
export async function loginPage(
  parts: LoginPageParts,
  asker: PortalAsker,
  wish: Wish,
  answer: { status: number; session?: Session; headers?: AnswerHeaders },
): Promise<Answer> {
  const { headers: head, context } = asker;
  const chain = await askForOffers(parts, asker);
  const { hidden, cookie } = formGuard(parts, head, wish);
  const cookies = [answer.headers?.['set-cookie'] ?? [], cookie ?? []].flat();
  const ways = waysOf(parts, chain, wish, lastMethod(head));
  // Nobody can sign in until somebody is back who can be asked.
  const isAway = ways.length === 0 && chain.steps.some(({ outcome }) => outcome === 'unavailable');
  const headers: AnswerHeaders = {
    ...(isAway && { 'retry-after': String(awayRetrySeconds) }),
    ...answer.headers,
    ...(cookies.length > 0 && { 'set-cookie': cookies }),
  };
  const shared = {
    action: '/_gate/login',
    ways,
    hidden,
    notice: wish.notice,
    requestId: context.requestId,
  };
  const username = answer.session?.assertion.subject;
  const view =
    wish.confirm && username !== undefined
      ? ({ kind: 'step-up', ...shared, username, cancelHref: '/' } as const)
      : ({
          kind: 'login',
          ...shared,
          username: wish.username,
          ...(!wish.isSwitch && { goesOnTo: wish.returnTo }),
          application: await applicationOf(parts, wish),
          isOffline: parts.offline.isOffered(context.client),
          ...(isAway && { retryHref: `/_gate/login?${new URLSearchParams({ return: wish.returnTo })}` }),
        } as const);
  return parts.pages.page(head, isAway && answer.status === 200 ? 503 : answer.status, view, headers);
}

/** What the visitor wants to open, where the operator has named it; a hand-over knows what is wanted at its host. */
async function applicationOf(
  { labelAt, handovers }: LoginPageParts,
  { returnTo }: Wish,
): Promise<WordsForVisitors | undefined> {
  const address = new URL(returnTo, 'http://gateway.invalid');
  if (address.pathname !== handoverPath) return labelAt(returnTo);
  const handover = await handovers.find(address.searchParams.get('nonce') ?? undefined);
  return handover && labelAt(handover.returnTo, handover.host);
}

/** Shows it. */
export async function renderLogin(
  parts: LoginPageParts,
  visit: PortalRequest,
  wish: Wish,
  answer: { status: number; session?: Session; headers?: AnswerHeaders },
): Promise<void> {
  writeAnswer(visit.request, visit.response, await loginPage(parts, visit, wish, answer));
}

/** What is wrong with a new password, by us or by who keeps it; `expired` where the old one is to be typed once more. */
export type NewPasswordProblem = 'mismatch' | 'same' | 'expired' | PasswordRefusal;

/** Why the page is shown, and by what the password is found that was right. */
interface NewPasswordWish {
  readonly reason: NewPasswordReason;
  readonly problem?: NewPasswordProblem | undefined;
  /** Absent where the old password is asked for. */
  readonly proof?: string | undefined;
}

/** Shows the page that asks for a new password. */
export async function renderNewPassword(
  parts: LoginPageParts,
  visit: PortalRequest,
  wish: Wish,
  { reason, problem, proof }: NewPasswordWish,
): Promise<void> {
  const { request, response, context } = visit;
  const { hidden, cookie } = formGuard(parts, visit.headers, wish);
  const view = {
    kind: 'new-password',
    action: '/_gate/login',
    // The form brings it back, so that the page says the same after a slip.
    hidden: { ...hidden, reason, ...(proof !== undefined && { proof }) },
    username: wish.username ?? '',
    asksForCurrent: proof === undefined,
    reason,
    problem,
    restartHref: `/_gate/login?${new URLSearchParams({ return: wish.returnTo, method: 'form' })}`,
    requestId: context.requestId,
  } as const;
  parts.pages.send(request, response, problem ? 400 : 401, view, cookie ? { 'set-cookie': cookie } : {});
}

/** The provider that is followed at once: the configured one, else a federated one that is the only way in. */
export async function onlyWay(parts: LoginPageParts, visit: PortalRequest): Promise<string | undefined> {
  if (parts.defaultMethod !== undefined) return parts.defaultMethod;
  const { offers: all } = await askForOffers(parts, visit);
  const offers = all.filter(({ via }) => via !== 'header');
  const [only] = offers;
  return offers.length === 1 && only?.via === 'redirect' ? only.provider : undefined;
}

/** Whether the chain has somebody to ask about a user name and a password. */
export async function offersForm(parts: Pick<PortalParts, 'signIn'>, visit: PortalRequest): Promise<boolean> {
  const { offers } = await askForOffers(parts, visit);
  return offers.some(({ via }) => via === 'form');
}

/** Where the way to a provider begins. */
export function startAddress(provider: string, { returnTo, confirm }: Wish, chosen = false): string {
  const query = new URLSearchParams({
    return: returnTo,
    ...(confirm && { confirm: '1' }),
    ...(chosen && { chosen: '1' }),
  });
  return `/_gate/start/${encodeURIComponent(provider)}?${query}`;
}

function askForOffers(parts: Pick<PortalParts, 'signIn'>, asker: PortalAsker): Promise<ChainResult> {
  const { context } = asker;
  const plain = { headers: asker.headers, signal: context.signal };
  const attempt = parts.signIn.attempt('ambient', plain, context.client, '/_gate/login');
  // The page only asks what there is: a ticket that came along is judged where it was asked for, and once.
  const headers = attempt.headers.without((name) => name === 'authorization');
  return parts.signIn.run({ ...attempt, headers });
}

/** What ties a form of the login to this browser, and the cookie that does so when it is new here. */
export function formGuard(
  parts: Pick<LoginPageParts, 'browsers'>,
  head: HeaderLines,
  wish: Wish,
): { hidden: Record<string, string>; cookie?: string } {
  const browser = parts.browsers.recognise(head);
  const hidden = {
    form: parts.browsers.token(browser.id, purpose),
    return: wish.returnTo,
    ...(wish.confirm && { confirm: '1' }),
  };
  return { hidden, ...(browser.cookie && { cookie: browser.cookie }) };
}

/** The ways to sign in, in the chain's order, each once. */
function waysOf(parts: LoginPageParts, { offers }: ChainResult, wish: Wish, last: string | undefined): Way[] {
  const ways: Way[] = [];
  for (const offer of offers) {
    if (offer.via === 'form' && !ways.some(({ kind }) => kind === 'form')) ways.push({ kind: 'form' });
    if (offer.via === 'redirect') ways.push(linkTo(parts, offer, wish, last));
  }
  const { offered } = parts.passkeys;
  // Where nobody can be asked, nobody can be looked up either.
  if (offered && ways.length > 0 && !wish.confirm) ways.push({ kind: 'passkey', href: passkeyAddress(wish) });
  return ways;
}

function linkTo(parts: LoginPageParts, { provider }: ChainOffer, wish: Wish, last: string | undefined): Way {
  return {
    kind: 'link',
    href: startAddress(provider, wish, true),
    name: parts.label(provider),
    lastUsed: provider === last,
  };
}
