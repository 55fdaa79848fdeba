/** The fields of the pages between the first proof and the session. */
import { type Html, html } from './html.ts';
import type { Frame } from './layout.ts';

/** The wish that the browser be remembered. */
export function rememberField({ texts }: Frame, { rememberFor }: { readonly rememberFor?: number }): Html | false {
  if (rememberFor === undefined) return false;
  const hours = Math.max(1, Math.round(rememberFor / 3_600_000));
  const { label, hint } = texts.factor.remember;
  return html`<label class="choice"><input type="checkbox" name="remember" value="yes" aria-describedby="remember-hint"> <span>${hours < 48 ? label.hours(hours) : label.days(Math.round(hours / 24))}</span></label>
<p class="hint" id="remember-hint">${hint}</p>
`;
}

/** A code, as phones fill it in. */
export function codeField({ texts }: Frame, digits: number | undefined, isInvalid: boolean): Html {
  const describedBy = isInvalid ? 'notice prompt' : 'prompt';
  const numeric = digits !== undefined && html` inputmode="numeric"`;
  return html`<div class="field">
<label for="code">${texts.factor.code(digits)}</label>
<input id="code" name="code" class="code" type="text" autocomplete="one-time-code" autocapitalize="none" autocorrect="off" spellcheck="false" maxlength="64" required autofocus aria-describedby="${describedBy}"${isInvalid && html` aria-invalid="true"`}${numeric}>
</div>`;
}
