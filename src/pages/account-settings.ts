/** The page of one's own account: the password, and second factors. */
import { fixedUsername, type Hidden, hiddenFields, messageBox, submitButton, whenToRetry } from './fields.ts';
import { type Html, html, type Part } from './html.ts';
import { type Frame, layout, signedInAs } from './layout.ts';
import { type NewPasswordProblem, newPasswordFields } from './new-password.ts';
import { type OwnFactorsView, ownFactorsSection } from './own-factors.ts';
import type { Texts } from './texts/en.ts';

/** What became of a form that was sent. */
type AccountNotice =
  /** `ended`: how many other sessions went with the old password. */
  | { readonly kind: 'changed'; readonly ended: number }
  | { readonly kind: 'last-factor' }
  | { readonly kind: 'problem'; readonly problem: NewPasswordProblem }
  | {
      readonly kind: 'failed';
      readonly failure: keyof Texts['account']['failures'];
      readonly retryAfterSeconds?: number | undefined;
    };

/** Shown to somebody who is signed in. The form posts `password`, `newPassword` and `newPasswordAgain`. */
export interface AccountView {
  readonly kind: 'account';
  readonly action: string;
  readonly hidden: Hidden;
  readonly username: string;
  /** False where the password cannot be changed here. */
  readonly canChange: boolean;
  /** Who keeps the password, by the name for users. */
  readonly method: string;
  readonly notice?: AccountNotice | undefined;
  /** Absent where there are none on the site. */
  readonly factors?: OwnFactorsView | undefined;
  readonly sessionsHref: string;
  readonly backHref: string;
  readonly logoutHref: string;
  readonly requestId: string;
}

/** The page. */
export function accountPage(frame: Frame, view: AccountView): Html {
  const { account, sessions, logout, common } = frame.texts;
  const failed = view.notice !== undefined && view.notice.kind !== 'changed';
  return layout(frame, {
    heading: account.title,
    ...(failed && { titlePrefix: common.errorPrefix, requestId: view.requestId }),
    gate: 'open',
    body: html`${signedInAs(frame, view.username)}
<section><h2>${account.password}</h2>
${noticeOf(frame, view)}
${view.canChange ? passwordForm(frame, view) : html`<p>${account.elsewhere(view.method)}</p>`}
</section>
${view.factors && ownFactorsSection(frame, view, view.factors)}
<p class="aside links"><a href="${view.backHref}">${sessions.back}</a> <a href="${view.sessionsHref}">${sessions.title}</a> <a href="${view.logoutHref}">${logout.submit}</a></p>`,
  });
}

function passwordForm(frame: Frame, view: AccountView): Html {
  const { account, newPassword } = frame.texts;
  const { notice } = view;
  const problem = notice?.kind === 'problem' ? notice.problem : undefined;
  const isCurrentWrong = notice?.kind === 'failed' && notice.failure === 'password-wrong';
  return html`<div class="ways"><form method="post" action="${view.action}">
${hiddenFields(view.hidden)}${fixedUsername(view.username)}
${newPasswordFields(frame, { asksForCurrent: true, problem, isCurrentWrong })}
<p class="hint">${account.endsOthers}</p>
${submitButton(frame, newPassword.submit)}
</form></div>`;
}

function noticeOf(frame: Frame, { notice }: AccountView): Part {
  const { account, newPassword } = frame.texts;
  switch (notice?.kind) {
    case undefined:
      return undefined;
    case 'changed':
      return messageBox(account.changed(notice.ended), false);
    case 'last-factor':
      return messageBox(frame.texts.ownFactors.last, true);
    case 'problem':
      return messageBox(newPassword.problems[notice.problem], true);
    case 'failed': {
      const retry = whenToRetry(frame, notice.retryAfterSeconds, false);
      return messageBox(html`${account.failures[notice.failure]}${retry}`, true);
    }
    default:
      return notice satisfies never;
  }
}
