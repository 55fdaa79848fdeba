/** The pages on which a factor is set up during a login. */
import type { EnrolmentOffer } from '../core/factor.ts';
import { codeField, type FactorView, stepPage } from './factor.ts';
import { hiddenFields, submitButton } from './fields.ts';
import { type Html, html } from './html.ts';
import type { Frame } from './layout.ts';
import { qrCode } from './qr.ts';

/** Something to be set up. The form posts the hidden fields, `do` as `answer`, `code` and `name`. */
export interface EnrolmentView extends Omit<FactorView, 'kind' | 'page'> {
  readonly kind: 'enrolment';
  readonly page: EnrolmentOffer['page'];
}

/** The page. */
export function enrolmentPage(frame: Frame, view: EnrolmentView): Html {
  const { enrol, factor } = frame.texts;
  const { page, hidden, action } = view;
  const body = html`<div class="ways">
${qrCode(page.uri, enrol.qr)}
<p class="hint">${enrol.byHand}</p>
<p class="secret"><code translate="no">${page.secret}</code></p>
<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'answer' })}${codeField(frame, page.digits, view.problem !== undefined)}
<div class="field">
<label for="name">${enrol.name}</label>
<input id="name" name="name" type="text" maxlength="64" autocomplete="off" dir="auto">
</div>
${submitButton(frame, enrol.submit)}
</form>
${
  view.hasOthers &&
  html`<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'choose' })}${submitButton(frame, factor.others, 'quiet')}
</form>`
}</div>`;
  return stepPage(frame, view, enrol.title, html`<p class="lead" id="prompt">${enrol.lead}</p>`, body);
}
