/** The pages on which a factor is set up during a login. */
import type { EnrolmentOffer, KeyPage } from '../core/factor.ts';
import { type FactorView, keyForm, othersForm, stepPage } from './factor.ts';
import { hiddenFields, submitButton } from './fields.ts';
import { type Html, html } from './html.ts';
import type { Frame } from './layout.ts';
import { qrCode } from './qr.ts';
import { codeField } from './step-fields.ts';

type Page = EnrolmentOffer['page'];

/** Something to be set up. The form posts the hidden fields, `do` as `answer`, what the page asks for, and `name`. */
export interface EnrolmentView extends Omit<FactorView, 'kind' | 'page'> {
  readonly kind: 'enrolment';
  readonly page: Page;
}

/** The page. */
export function enrolmentPage(frame: Frame, view: EnrolmentView): Html {
  const { page } = view;
  switch (page.kind) {
    case 'authenticator':
      return authenticatorPage(frame, view, page);
    case 'key':
      return newKeyPage(frame, view, page);
    case 'spare-codes':
      return spareCodesPage(frame, view, page);
    case 'contact':
      return contactPage(frame, view, page);
    case 'code':
      return sentCodePage(frame, view, page);
    default:
      throw page satisfies never;
  }
}

/** The code that opens an account to its first factor. The form posts the hidden fields, `do` as `answer`, and `code`. */
export interface EnrolmentCodeView extends Omit<FactorView, 'kind' | 'page' | 'factor' | 'hasOthers' | 'rememberFor'> {
  readonly kind: 'enrolment-code';
}

/** How many digits such a code has. */
const codeDigits = 8;

/** The page that asks for it. */
export function enrolmentCodePage(frame: Frame, view: EnrolmentCodeView): Html {
  const { code: texts } = frame.texts.enrol;
  const isWrong = view.problem?.code === 'code-wrong';
  const body = html`<div class="ways"><form method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, do: 'answer' })}${codeField(frame, codeDigits, view.problem !== undefined)}
${submitButton(frame, frame.texts.factor.submit)}
</form></div>`;
  const lead = html`<p class="lead" id="prompt">${texts.lead}</p>`;
  return stepPage(
    frame,
    isWrong ? { ...view, problem: { code: 'enrolment-code-wrong' } } : view,
    texts.title,
    lead,
    body,
  );
}

function authenticatorPage(frame: Frame, view: EnrolmentView, page: Extract<Page, { kind: 'authenticator' }>): Html {
  const { enrol } = frame.texts;
  const body = html`<div class="ways">
${qrCode(page.uri, enrol.qr)}
<p class="hint">${enrol.byHand}</p>
<p class="secret"><code translate="no">${page.secret}</code></p>
<form method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, do: 'answer' })}${codeField(frame, page.digits, view.problem !== undefined)}
${nameField(enrol.name)}
${submitButton(frame, enrol.submit)}
</form>
${othersForm(frame, view)}</div>`;
  return stepPage(frame, view, enrol.title, html`<p class="lead" id="prompt">${enrol.lead}</p>`, body);
}

function newKeyPage(frame: Frame, view: EnrolmentView, page: KeyPage): Html {
  const { key } = frame.texts.enrol;
  const ask = { label: key.start, isAtOnce: false, more: nameField(key.name) };
  const body = html`<div class="ways">${keyForm(frame, view, page, ask)}
${othersForm(frame, view)}</div>`;
  return stepPage(frame, view, key.title, html`<p class="lead" id="prompt">${key.lead}</p>`, body);
}

function spareCodesPage(frame: Frame, view: EnrolmentView, page: Extract<Page, { kind: 'spare-codes' }>): Html {
  const { spare, submit } = frame.texts.enrol;
  const codes = page.codes.map(
    (code) => html`<li><code translate="no">${code}</code></li>
`,
  );
  const body = html`<ol class="spare-codes">
${codes}</ol>
<div class="ways"><form method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, do: 'answer' })}<label class="choice"><input type="checkbox" name="kept" value="yes" required> <span>${spare.kept}</span></label>
${submitButton(frame, submit)}
</form></div>`;
  return stepPage(
    frame,
    view,
    spare.title,
    html`<p class="lead" id="prompt">${spare.lead(page.codes.length)}</p>`,
    body,
  );
}

/** Where a code is to go. Nothing is sent by showing it. */
function contactPage(frame: Frame, given: EnrolmentView, page: Extract<Page, { kind: 'contact' }>): Html {
  const texts = frame.texts.enrol.contact;
  const { told, medium } = page;
  const view: EnrolmentView =
    given.problem?.code === 'no-contact' ? { ...given, problem: { code: 'contact-wrong' } } : given;
  const isMail = medium === 'mail';
  const field = html`<div class="field">
<label for="contact">${texts[medium].field}</label>
<input id="contact" name="contact" type="${isMail ? 'email' : 'tel'}" autocomplete="${isMail ? 'email' : 'tel'}" maxlength="254" required autofocus aria-describedby="${view.problem ? 'notice prompt' : 'prompt'}"${view.problem !== undefined && html` aria-invalid="true"`}>
</div>
`;
  const body = html`<div class="ways"><form method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, do: 'answer' })}${told === undefined && field}${submitButton(frame, texts.send)}
</form>
${othersForm(frame, view)}</div>`;
  const lead = told === undefined ? texts[medium].lead : texts.told(told);
  return stepPage(frame, view, texts[medium].title, html`<p class="lead" id="prompt">${lead}</p>`, body);
}

function sentCodePage(frame: Frame, view: EnrolmentView, page: Extract<Page, { kind: 'code' }>): Html {
  const { factor: texts, enrol } = frame.texts;
  const { contact, digits, sendsLeft = 0 } = page;
  const body = html`<div class="ways"><form method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, do: 'answer' })}${codeField(frame, digits, view.problem !== undefined)}
${submitButton(frame, enrol.submit)}
</form>
${
  sendsLeft > 0 &&
  html`<form method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, do: 'answer', again: 'yes' })}${submitButton(frame, texts.resend, 'quiet')}
</form>
<p class="hint">${texts.sendsLeft(sendsLeft)}</p>
`
}${othersForm(frame, view)}</div>`;
  const lead = html`<p class="lead" id="prompt">${enrol.contact.prove}</p>${contact !== undefined && html`<p class="hint">${texts.sentTo(contact)}</p>`}`;
  return stepPage(frame, view, texts.title, lead, body);
}

function nameField(label: string): Html {
  return html`<div class="field">
<label for="name">${label}</label>
<input id="name" name="name" type="text" maxlength="64" autocomplete="off" dir="auto">
</div>
`;
}
