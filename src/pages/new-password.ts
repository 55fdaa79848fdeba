/** The fields by which one chooses a password, with its rules; what stands around them is the page's. */
import { passwordField } from './fields.ts';
import { type Html, html } from './html.ts';
import { type Frame, operatorText, type PasswordWords } from './layout.ts';
import type { Texts } from './texts/en.ts';

/** What is wrong with a new password. */
export type NewPasswordProblem = keyof Texts['newPassword']['problems'];

/** The fields `newPassword` and `newPasswordAgain`, after `password` where the current one is asked for. */
export function newPasswordFields(
  frame: Frame,
  view: {
    readonly asksForCurrent: boolean;
    readonly problem?: NewPasswordProblem | undefined;
    readonly isCurrentWrong?: boolean;
  },
): Html {
  const texts = frame.texts.newPassword;
  const { problem, asksForCurrent, isCurrentWrong = false } = view;
  const failed = problem !== undefined;
  const notice = failed || isCurrentWrong ? 'notice ' : '';
  const next = { autocomplete: 'new-password', invalid: failed && problem !== 'expired' } as const;
  const isFirst = !asksForCurrent || (failed && problem !== 'expired');
  const current = {
    name: 'password',
    label: texts.current,
    autocomplete: 'current-password',
    autofocus: !isFirst,
    invalid: isCurrentWrong,
    ...(notice && { describedBy: 'notice' }),
  } as const;
  return html`${asksForCurrent && passwordField(frame, current)}
${passwordField(frame, { ...next, name: 'newPassword', label: texts.next, autofocus: isFirst, describedBy: `${notice}rules` })}
<p class="hint rules" id="rules">${operatorText(frame, frame.options.passwordRules) ?? rulesOf(frame)}</p>
${passwordField(frame, { ...next, name: 'newPasswordAgain', label: texts.repeat, ...(notice && { describedBy: 'notice' }) })}`;
}

/** The rules of the configuration, where the operator has no words for them. */
function rulesOf({ texts: { newPassword: texts }, passwords }: Frame): string {
  if (!passwords) return texts.rules;
  const kinds = typedEntries(passwords.compose).flatMap(([kind, count]) => (count > 0 ? texts.kinds[kind](count) : []));
  return [texts.rules, texts.atLeast(passwords.minLength), ...(kinds.length > 0 ? [texts.compose(kinds)] : [])].join(
    ' ',
  );
}

type Kind = keyof PasswordWords['compose'];

function typedEntries(compose: PasswordWords['compose']): readonly (readonly [Kind, number])[] {
  return Object.entries(compose) as [Kind, number][];
}
