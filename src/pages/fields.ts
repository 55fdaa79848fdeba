/** The parts that forms are made of: notices, labelled fields, hidden values, buttons. */
import { type Html, html, type Part } from './html.ts';
import type { Frame } from './layout.ts';
import type { Texts } from './texts/en.ts';

/** Names and values that a form carries along unseen, such as a token against forged posts. */
export type Hidden = Readonly<Record<string, string>>;

/** What a form says above its fields. */
export interface Notice {
  readonly code: keyof Texts['notices'];
  /** For `Retry-After`, in the user's words. */
  readonly retryAfterSeconds?: number | undefined;
}

/** Notices that tell of no failure: they are read out politely, not as an alert. */
const calm: ReadonlySet<Notice['code']> = new Set(['session-idle', 'session-ended', 'form-kept']);

/** Failures that pass by themselves. */
const passing: ReadonlySet<Notice['code']> = new Set([
  'too-many-failures',
  'unavailable',
  'offline-failed',
  'method-unavailable',
]);

/** When to try again: after so many seconds, or soon; nothing where trying again does not help. Where scripts run, it counts down. */
export function whenToRetry({ texts }: Frame, retryAfterSeconds: number | undefined, passes: boolean): Part {
  const { wait, seconds, soon, waited } = texts.common;
  if (retryAfterSeconds === undefined) return passes && ` ${soon}`;
  const left = Math.max(1, Math.ceil(retryAfterSeconds));
  const [before, after] = wait;
  // A screen reader that heard each second would say nothing else: it hears the first, and that it is over.
  return html` <span data-wait="${left}" data-waited="${waited}">${before}<span aria-live="off">${seconds(left)}</span>${after}</span>`;
}

/** Whether a notice tells of a failure. */
export function isAlert(notice: Notice | undefined): boolean {
  return notice !== undefined && !calm.has(notice.code);
}

/** A notice; fields name it by the id `notice`. */
export function noticeBox(frame: Frame, notice: Notice | undefined): Html | undefined {
  if (!notice) return undefined;
  const retry = whenToRetry(frame, notice.retryAfterSeconds, passing.has(notice.code));
  return messageBox(html`${frame.texts.notices[notice.code]}${retry}`, isAlert(notice));
}

/** A message above a form, as an alert or a quiet status; fields name it by the id `notice`. */
export function messageBox(message: Part, alert: boolean): Html {
  return html`<div id="notice" class="notice ${alert ? 'notice-alert' : 'notice-calm'}" role="${alert ? 'alert' : 'status'}"><p>${message}</p></div>`;
}

/** Hidden inputs. */
export function hiddenFields(fields: Hidden | undefined): readonly Html[] {
  return Object.entries(fields ?? {}).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">
`,
  );
}

/** One labelled field. */
interface Field {
  readonly name: string;
  readonly label: string;
  readonly autocomplete: 'username' | 'current-password' | 'new-password' | 'off';
  readonly value?: string | undefined;
  readonly autofocus?: boolean | undefined;
  readonly invalid?: boolean | undefined;
  /** Ids of what explains the field. */
  readonly describedBy?: string | undefined;
}

/** A user name: one word as typed, never corrected by a phone's keyboard. */
export function usernameField(field: Field): Html {
  return html`<div class="field">
<label for="${field.name}">${field.label}</label>
<input id="${field.name}" name="${field.name}" type="text" value="${field.value ?? ''}" maxlength="256" dir="auto" autocapitalize="none" autocorrect="off" spellcheck="false" ${attributes(field)}>
</div>`;
}

/** Password managers want the name in the form even where it is not asked. */
export function fixedUsername(username: string): Html {
  return html`<input class="unseen" type="text" name="username" value="${username}" autocomplete="username" readonly tabindex="-1" aria-hidden="true">
`;
}

/** A password, with a button to show it and a word about Caps Lock where scripts run. */
export function passwordField({ texts }: Frame, field: Field): Html {
  const { showPassword, hidePassword, capsLock, password } = texts.login;
  // Of several on a page each says which it shows.
  const which = field.label === password ? '' : `: ${field.label}`;
  return html`<div class="field">
<label for="${field.name}">${field.label}</label>
<div class="reveal">
<input id="${field.name}" name="${field.name}" type="password" maxlength="1024" autocapitalize="none" spellcheck="false" ${attributes(field)}>
<button type="button" hidden data-reveal="${field.name}" data-show="${showPassword + which}" data-hide="${hidePassword + which}" aria-label="${showPassword + which}" aria-pressed="false">${eye}</button>
</div>
<p class="hint caps-lock" data-caps-lock="${field.name}" role="status" hidden>${capsLock}</p>
</div>`;
}

/** The button that sends a form. */
export function submitButton({ texts }: Frame, label: string, kind: 'primary' | 'quiet' = 'primary'): Html {
  return html`<button class="button ${kind}" type="submit" data-busy="${texts.login.busy}">${label}</button>`;
}

/** A link that looks like a button. */
export function linkButton(href: string, label: Part, kind: 'primary' | 'quiet' = 'quiet'): Html {
  return html`<a class="button ${kind}" href="${href}">${label}</a>`;
}

const eye = html`<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" focusable="false"><path d="M2.5 12s3.5-6.5 9.5-6.5 9.5 6.5 9.5 6.5-3.5 6.5-9.5 6.5S2.5 12 2.5 12z"/><circle cx="12" cy="12" r="2.8"/><path class="strike" d="M4.5 19.5l15-15"/></svg>`;

function attributes(field: Field): Html {
  const { autocomplete, describedBy } = field;
  return html`autocomplete="${autocomplete}" required${
    describedBy !== undefined && html` aria-describedby="${describedBy}"`
  }${field.invalid === true && html` aria-invalid="true"`}${field.autofocus === true && html` autofocus`}`;
}

/** Has the page look by itself whether what is away is back, less and less often: it then opens the address. */
export function triesByItself({ texts }: Frame, href: string, after: number | undefined): Html {
  return html`<p class="hint" data-retry="${href}"${after !== undefined && html` data-after="${Math.ceil(after)}"`} hidden>${texts.common.byItself}</p>`;
}
