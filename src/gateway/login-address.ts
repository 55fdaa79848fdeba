/** Where somebody is sent to sign in, where the way leads back to, and what the login page says of the session before. */
import { isOutage, type Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import type { CanonicalTarget, GatewayRequest, Verdict } from '../core/verdict.ts';
import type { Notice } from '../pages/fields.ts';

type Authenticate = Extract<Verdict, { kind: 'authenticate' }>;
type LoginStep = Extract<Verdict, { kind: 'login-step' }>;
type StepUp = Extract<Verdict, { kind: 'step-up' }>;

/** Where a page load is sent to sign in, or to prove again who it is. */
export function loginAddressOf(verdict: Authenticate | StepUp | LoginStep): string {
  if (verdict.kind === 'login-step') return verdict.location;
  const returnTo = verdict.target.path + verdict.target.query;
  if (verdict.kind === 'step-up') return stepUpAddress(verdict, returnTo);
  const notice = noticeFor(verdict.reason);
  return loginAddress(returnTo, notice ? { notice } : {});
}

/** Where somebody who is signed in proves more, and goes on to `returnTo`: a factor, or the first proof once more. */
export function stepUpAddress({ route, target, reason, level }: StepUp, returnTo: string): string {
  if (!asksForFactor(route, reason)) return loginAddress(returnTo, { confirm: '1' });
  const [path] = returnTo.split('?', 1);
  const isElsewhere = path !== target.path && path !== '/_gate/replay';
  const more = { ...(isElsewhere && { for: target.path }), ...(level && { level: String(level) }) };
  return `/_gate/factor?${new URLSearchParams({ return: returnTo, ...more })}`;
}

/** Whether a factor is what is lacking, and not a first proof that is young enough. */
export function asksForFactor({ access }: Pick<Route, 'access'>, reason: Reason): boolean {
  if (reason === 'level-too-low' || reason === 'factor-missing') return true;
  const { level = 1, factors = [] } = typeof access === 'object' ? access : {};
  return reason === 'too-old' && (level > 1 || factors.length > 0);
}

/** The login page's address. */
export function loginAddress(returnTo: string, more: Readonly<Record<string, string>> = {}): string {
  return `/_gate/login?${new URLSearchParams({ return: returnTo, ...more })}`;
}

const endings: ReadonlySet<Reason> = new Set([
  ...(['lifetime', 'revoked', 'provider-gone', 'back-channel', 'single-logout', 'signed-out'] as const),
]);

/** What the login page says of the session before, or of who was not let in; nothing where there was neither. */
export function noticeFor(reason: Reason): Notice['code'] | undefined {
  if (reason === 'idle') return 'session-idle';
  if (reason === 'not-in-directory' || reason === 'user-reserved') return 'not-admitted';
  if (isOutage(reason)) return 'unavailable';
  return endings.has(reason) ? 'session-ended' : undefined;
}

/** What the login page says to whom a form is kept for: that it is, unless signing in will not help. */
export function noticeForForm(reason: Reason): Notice['code'] {
  const notice = noticeFor(reason);
  return notice === 'not-admitted' || notice === 'unavailable' ? notice : 'form-kept';
}

/** Where to go after a login that a script's request asked for: the page it stands on, not what it fetched. */
export function returnFor(
  { headers, upgrade }: Pick<GatewayRequest, 'headers' | 'upgrade'>,
  target: CanonicalTarget,
): string {
  const referer = headers.single('referer');
  const page = referer !== undefined && URL.canParse(referer) ? new URL(referer) : undefined;
  if (page && page.host === headers.single('host') && !page.pathname.startsWith('/_gate'))
    return page.pathname + page.search;
  // The address of a WebSocket is no page.
  return upgrade ? '/' : target.path + target.query;
}
