/** The pages that ask for proof: signing in, confirming a password, choosing a new one. */
import type { WordsForVisitors } from '../core/route.ts';
import {
  fixedUsername,
  type Hidden,
  hiddenFields,
  isAlert,
  linkButton,
  messageBox,
  type Notice,
  noticeBox,
  passwordField,
  submitButton,
  triesByItself,
  usernameField,
} from './fields.ts';
import { type Html, html } from './html.ts';
import { type Frame, layout, signedInAs, signingInAs, wordsFor } from './layout.ts';
import { newPasswordFields } from './new-password.ts';
import type { Texts } from './texts/en.ts';

/** One way to sign in: our form, or a link to an identity provider. */
export type Way =
  | { readonly kind: 'form' }
  | {
      readonly kind: 'link';
      /** `/_gate/start/<provider>` with its return. A link, not a form: `form-action` would stop the way on. */
      readonly href: string;
      /** The provider's name for users, as in “Continue with …”. */
      readonly name: string;
      /** The whole text of the button, where the operator chose one. */
      readonly label?: string | undefined;
      /** The one this browser used last. */
      readonly lastUsed?: boolean | undefined;
    }
  /** The page that asks for a passkey. */
  | { readonly kind: 'passkey'; readonly href: string };

/** The login page. The form posts `username`, `password` and the hidden fields. */
export interface LoginView {
  readonly kind: 'login';
  readonly action: string;
  /** In the order of the chain; the page keeps it. */
  readonly ways: readonly Way[];
  readonly hidden?: Hidden | undefined;
  /** What the visitor wants to open; the site where it has no name. */
  readonly application?: WordsForVisitors | undefined;
  /** Where the login leads, once somebody has signed in in another tab too; absent where a login is wanted all the same. */
  readonly goesOnTo?: string | undefined;
  /** As it was typed, to be corrected. */
  readonly username?: string | undefined;
  readonly notice?: Notice | undefined;
  /** A directory is away, and logins go on without it. */
  readonly isOffline?: boolean;
  /** Whoever could be asked is away: the page looks at this address whether they are back. */
  readonly retryHref?: string | undefined;
  /** Shown with failures. */
  readonly requestId?: string | undefined;
}

/** Asks somebody who is signed in to authenticate again (step-up). The form posts `password` and `username`, which stays as it is. */
export interface StepUpView {
  readonly kind: 'step-up';
  readonly action: string;
  readonly ways: readonly Way[];
  readonly hidden?: Hidden | undefined;
  readonly username: string;
  readonly cancelHref: string;
  readonly notice?: Notice | undefined;
  readonly requestId?: string | undefined;
}

/** Asks for a new password. The form posts `username`, `newPassword`, `newPasswordAgain`, and `password` where that is asked for. */
export interface NewPasswordView {
  readonly kind: 'new-password';
  readonly action: string;
  readonly hidden?: Hidden | undefined;
  readonly username: string;
  /** False where the current password was right a moment ago. */
  readonly asksForCurrent: boolean;
  readonly reason: 'password-expired' | 'password-must-change';
  readonly problem?: keyof Texts['newPassword']['problems'] | undefined;
  /** Where the login begins anew. */
  readonly restartHref: string;
  readonly requestId?: string | undefined;
}

/** The login page. */
export function loginPage(frame: Frame, view: LoginView): Html {
  const { texts, options } = frame;
  const failed = isAlert(view.notice);
  const formFirst = view.ways[0]?.kind === 'form';
  const form = html`<form method="post" action="${view.action}">
${hiddenFields(view.hidden)}${credentials(frame, view, formFirst || failed)}
${submitButton(frame, texts.login.submit, formFirst ? 'primary' : 'quiet')}
${options.forgotPassword !== undefined && html`<p class="forgot"><a href="${options.forgotPassword}">${texts.login.forgot}</a></p>`}
</form>`;
  return layout(frame, {
    heading: texts.login.title,
    ...(failed && { titlePrefix: texts.common.errorPrefix, requestId: view.requestId }),
    gate: view.notice?.code.endsWith('unavailable') ? 'shut' : 'open',
    help: 'sign-in',
    ...(view.goesOnTo !== undefined && { again: { login: view.goesOnTo } }),
    body: html`<p class="lead"${view.goesOnTo !== undefined && html` data-go-on="${`/_gate/login?${new URLSearchParams({ return: view.goesOnTo })}`}"`}>${texts.login.lead(view.application === undefined ? options.siteName : wordsFor(frame, view.application))}</p>
${noticeBox(frame, view.notice)}${view.isOffline ? html`<p class="lead">${texts.login.offline}</p>` : ''}
${waysInOrder(frame, view.ways, form)}${view.retryHref !== undefined && triesByItself(frame, view.retryHref, undefined)}`,
  });
}

/** The page that asks for the password again. */
export function stepUpPage(frame: Frame, view: StepUpView): Html {
  const { texts } = frame;
  // Nobody types a user name here.
  const notice =
    view.notice?.code === 'login-failed' ? { ...view.notice, code: 'password-wrong' as const } : view.notice;
  const failed = isAlert(notice);
  const hasForm = view.ways.some((way) => way.kind === 'form');
  const password = passwordField(frame, {
    name: 'password',
    label: texts.login.password,
    autocomplete: 'current-password',
    autofocus: view.ways[0]?.kind === 'form',
    invalid: notice?.code === 'password-wrong',
    describedBy: notice && 'notice',
  });
  const form = html`<form method="post" action="${view.action}">
${hiddenFields(view.hidden)}${fixedUsername(view.username)}${password}
${submitButton(frame, texts.stepUp.submit)}
</form>`;
  return layout(frame, {
    heading: hasForm ? texts.stepUp.title : texts.stepUp.titleOther,
    ...(failed && { titlePrefix: texts.common.errorPrefix, requestId: view.requestId }),
    gate: 'ajar',
    help: 'sign-in',
    body: html`<p class="lead">${texts.stepUp.lead}</p>
${signedInAs(frame, view.username)}
${noticeBox(frame, notice)}
${waysInOrder(frame, view.ways, form)}
<p class="aside"><a href="${view.cancelHref}">${texts.common.cancel}</a></p>`,
  });
}

/** The page that asks for a new password. */
export function newPasswordPage(frame: Frame, view: NewPasswordView): Html {
  const texts = frame.texts.newPassword;
  const { problem } = view;
  return layout(frame, {
    heading: texts.title,
    ...(problem && { titlePrefix: frame.texts.common.errorPrefix, requestId: view.requestId }),
    gate: 'ajar',
    body: html`<p class="lead">${view.reason === 'password-expired' ? texts.leadExpired : texts.leadMustChange}</p>
${signingInAs(frame, view.username)}
${problem && messageBox(texts.problems[problem], true)}
<div class="ways"><form method="post" action="${view.action}">
${hiddenFields(view.hidden)}${fixedUsername(view.username)}
${newPasswordFields(frame, view)}
${submitButton(frame, texts.submit)}
</form></div>
<p class="aside"><a href="${view.restartHref}">${frame.texts.factor.restart}</a></p>`,
  });
}

function credentials(frame: Frame, view: LoginView, mayFocus: boolean): Html {
  const { texts } = frame;
  const known = view.username !== undefined && view.username !== '';
  const shared = { invalid: view.notice?.code === 'login-failed', describedBy: view.notice && 'notice' };
  const username = { ...shared, name: 'username', label: texts.login.username, autocomplete: 'username' } as const;
  const password = {
    ...shared,
    name: 'password',
    label: texts.login.password,
    autocomplete: 'current-password',
  } as const;
  return html`${usernameField({ ...username, value: view.username, autofocus: mayFocus && !known })}
${passwordField(frame, { ...password, autofocus: mayFocus && known })}`;
}

/** Form and links in the order of the chain, with an “or” where they meet. */
function waysInOrder({ texts }: Frame, ways: readonly Way[], form: Html): Html {
  const first = ways[0];
  if (!first) return messageBox(texts.login.none, true);
  const isPrimary = (way: Way) => way === first;
  const parts = ways.map((way, i) => {
    const meets = i > 0 && (way.kind === 'form') !== (ways[i - 1]?.kind === 'form');
    const divider = meets && html`<p class="or"><span>${texts.login.or}</span></p>`;
    return html`${divider}${way.kind === 'form' ? form : link(texts, way, isPrimary(way))}
`;
  });
  return html`<div class="ways">
${parts}</div>`;
}

function link(texts: Texts, way: Exclude<Way, { kind: 'form' }>, primary: boolean): Html {
  const look = primary ? 'primary' : 'quiet';
  if (way.kind === 'passkey') return linkButton(way.href, texts.passkey.title, look);
  const tag = way.lastUsed === true && html` <span class="tag last-used">${texts.login.lastUsed}</span>`;
  return linkButton(way.href, html`<span>${way.label ?? texts.login.with(way.name)}</span>${tag}`, look);
}
