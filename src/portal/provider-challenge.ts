/** The page on which a provider asks for one more answer after a password, and its form as it was sent. */
import type { Clock } from '../core/clock.ts';
import type { Session } from '../core/session.ts';
import type { ProviderChallenge, ProviderChallenges } from '../login/provider-challenges.ts';
import type { FormFields, PortalParts, PortalRequest } from './context.ts';
import type { SentForm } from './login-form.ts';
import { formGuard, type LoginPageParts, renderLogin, type Wish } from './login-page.ts';
import { type LoopParts, redirectInLoop } from './redirect-loop.ts';

type ChallengeParts = Pick<PortalParts, 'pages' | 'browsers'> & {
  readonly clock: Clock;
  readonly challenges: ProviderChallenges;
};

/** Keeps the question, and shows it. */
export async function askProviderChallenge(
  parts: ChallengeParts,
  visit: PortalRequest,
  wish: Wish,
  { provider, username, prompt, state }: Omit<ProviderChallenge, 'expiresAt'>,
): Promise<void> {
  const browser = parts.browsers.recognise(visit.headers);
  const asked = { provider, username, prompt, state };
  const { id, challenge } = await parts.challenges.keep(browser.id, visit.context.client.address, asked);
  show(parts, visit, wish, { id, challenge });
}

/** Shows it. */
function show(
  { pages, browsers, clock }: ChallengeParts,
  { request, response, headers, context }: PortalRequest,
  wish: Wish,
  { id, challenge }: { readonly id: string; readonly challenge: ProviderChallenge },
): void {
  const { provider, username, prompt, expiresAt } = challenge;
  const { hidden, cookie } = formGuard({ browsers }, headers, wish);
  const view = {
    kind: 'factor',
    action: '/_gate/login',
    hidden: { ...hidden, challenge: id },
    username,
    minutesLeft: Math.max(1, Math.ceil((expiresAt - clock.now()) / 60_000)),
    restartHref: `/_gate/login?${new URLSearchParams({ return: wish.returnTo, ...(wish.confirm && { confirm: '1' }) })}`,
    factor: { name: provider, type: 'radius' },
    page: { kind: 'code', ...(prompt !== '' && { prompt }) },
    hasOthers: false,
    requestId: context.requestId,
  } as const;
  pages.send(request, response, 200, view, cookie ? { 'set-cookie': cookie } : {});
}

/**
 * Takes the form: what is to be asked of the provider; undefined where it has been answered. A question is used up by any answer;
 * nothing typed is none.
 */
export async function takeAnswer(
  parts: ChallengeParts & LoginPageParts & LoopParts,
  visit: PortalRequest,
  { wish, session }: { readonly wish: Wish; readonly session: Session | undefined },
  form: FormFields,
): Promise<{ readonly wish: Wish; readonly sent: Extract<SentForm, { kind: 'credentials' }> } | undefined> {
  const id = form.get('challenge') ?? '';
  const browser = parts.browsers.find(visit.headers);
  const code = typedCode(form.get('code') ?? '');
  const { challenges } = parts;
  const challenge = code === '' ? await challenges.find(browser, id) : await challenges.take(browser, id);
  if (challenge && code !== '')
    return {
      wish: { ...wish, username: challenge.username },
      sent: { kind: 'credentials', password: code, answering: challenge },
    };
  if (challenge) show(parts, visit, wish, { id, challenge });
  // A form that was sent twice comes back to what the first one has begun.
  else if (session && !wish.confirm) await redirectInLoop(parts, visit, wish.returnTo, session);
  else {
    const notice = { code: 'flow-expired' } as const;
    await renderLogin(parts, visit, { ...wish, notice }, { status: 400, ...(session && { session }) });
  }
  return undefined;
}

/** Of a number the blanks and hyphens are for people, and keyboards write digits in several ways; anything else is as it was typed. */
function typedCode(text: string): string {
  const number = text.normalize('NFKC').replace(/[\s-]/g, '');
  return /^\d+$/.test(number) ? number : text.trim();
}
