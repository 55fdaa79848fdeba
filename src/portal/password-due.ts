/** A password that was right and has to change, as the login form brings it: what comes before the page for the new one. */
import { Secret } from '../core/secret.ts';
import type { Session } from '../core/session.ts';
import type { LoginResult } from '../login/password-form.ts';
import type { PortalParts, PortalRequest } from './context.ts';
import type { Proof } from './login-form.ts';
import { type LoginPageParts, renderLogin, type Wish } from './login-page.ts';
import { answerStep, type StepParts, stepContext } from './step-answer.ts';

type DueParts = LoginPageParts & StepParts & Pick<PortalParts, 'provedPasswords' | 'steps'>;

/** What the user wants, and the session that the browser has. */
export interface Login {
  readonly wish: Wish;
  readonly session: Session | undefined;
  readonly proof: Proof | undefined;
}

/** Keeps a password that was right for the page of the new one; gives by what it is found there. */
export async function keepPassword(
  { browsers, provedPasswords }: DueParts,
  { headers }: PortalRequest,
  { proof }: Login,
  { username, password }: { readonly username: string; readonly password: string },
): Promise<string | undefined> {
  const browser = browsers.find(headers);
  if (proof || browser === undefined) return proof?.id;
  return provedPasswords.keep(browser, { username, password: new Secret(password) });
}

/** Where a password was right and has to change: what comes before the new one, where anything does. True when it has answered. */
export async function askForFactors(
  parts: DueParts,
  visit: PortalRequest,
  login: Login,
  result: LoginResult,
  password: string,
): Promise<boolean> {
  if (result.kind !== 'new-password' || parts.factors.all.length === 0) return false;
  const { vouched, reason } = result;
  if (!vouched) {
    // Nobody can tell what their login takes.
    const notice = { code: 'password-stuck' } as const;
    await renderLogin(
      parts,
      visit,
      { ...login.wish, notice },
      { status: 401, ...(login.session && { session: login.session }) },
    );
    return true;
  }
  const username = login.wish.username ?? vouched.assertion.subject;
  const proof = await keepPassword(parts, visit, login, { username, password });
  const newPassword = { reason, username, ...(proof !== undefined && { proof }) };
  const first = { vouched, returnTo: login.wish.returnTo, newPassword };
  const step = await parts.steps.beginNewPassword(first, stepContext(parts, visit));
  if (step) await answerStep(parts, visit, step);
  return step !== undefined;
}
