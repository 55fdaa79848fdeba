/** The pages between the first proof and the session: which factor, its question, and that a login is over. */
import type { Challenge, KeyPage } from '../core/factor.ts';
import type { WordsForVisitors } from '../core/route.ts';
import { type Hidden, hiddenFields, messageBox, submitButton, whenToRetry } from './fields.ts';
import { type Html, html, type Part } from './html.ts';
import { type Frame, layout, signingInAs, wordsFor } from './layout.ts';
import { codeField, rememberField } from './step-fields.ts';
import type { Texts } from './texts/en.ts';

/** A factor as it can be picked. */
export interface FactorName {
  readonly name: string;
  readonly type: string;
  readonly label?: WordsForVisitors | undefined;
}

/** What a page says above its form. */
export interface FactorProblem {
  readonly code: keyof Texts['factor']['problems'];
  readonly retryAfterSeconds?: number | undefined;
  /** Seconds by which the user's clock is ahead. */
  readonly clockOffset?: number | undefined;
}

/** What all pages of a login under way show. */
interface StepView {
  readonly action: string;
  readonly hidden: Hidden;
  readonly username: string;
  /** Minutes left until the login is over. */
  readonly minutesLeft: number;
  readonly restartHref: string;
  readonly problem?: FactorProblem | undefined;
  readonly requestId: string;
}

/** Which factor. The form posts the hidden fields, `do` as `choose`, and `factor`. */
export interface FactorChoiceView extends StepView {
  readonly kind: 'factor-choice';
  /** `enrol` where one is to be set up. */
  readonly purpose: 'prove' | 'enrol';
  readonly factors: readonly FactorName[];
}

/**
 * The question of a factor. Forms post the hidden fields and `do`: `answer` with `code`, `method` or `answer`, `resend` for another
 * code, `choose` for another way.
 */
export interface FactorView extends StepView {
  readonly kind: 'factor';
  readonly factor: FactorName;
  readonly page: Challenge['page'];
  /** There is another way. */
  readonly hasOthers: boolean;
  /** For how many milliseconds the browser can be remembered, where it can; `remember` is posted as `yes` then. */
  readonly rememberFor?: number;
}

/** The choice. */
export function factorChoicePage(frame: Frame, view: FactorChoiceView): Html {
  const texts = view.purpose === 'enrol' ? frame.texts.enrol : frame.texts.factor;
  const buttons = view.factors.map(
    (factor, index) => html`<form method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, do: 'choose', factor: factor.name })}${submitButton(frame, factorName(frame, factor), index === 0 ? 'primary' : 'quiet')}
</form>
`,
  );
  return stepPage(
    frame,
    view,
    texts.titleChoose,
    html`<p class="lead">${texts.leadChoose}</p>`,
    html`<div class="ways">${buttons}</div>`,
  );
}

/** The question. */
export function factorPage(frame: Frame, view: FactorView): Html {
  const { page } = view;
  switch (page.kind) {
    case 'code':
      return codePage(frame, view, page);
    case 'key':
      return keyPage(frame, view, page);
    default:
      throw page satisfies never;
  }
}

function codePage(frame: Frame, view: FactorView, page: Extract<Challenge['page'], { kind: 'code' }>): Html {
  const { factor: texts } = frame.texts;
  const { hidden, action, factor } = view;
  const { contact, prompt: given, methods = [], sendsLeft } = page;
  const words = given === undefined ? (promptOf(texts, factor.type) ?? texts.prompt) : wordsFor(frame, given);
  const prompt = words.replaceAll(contactVariable, contact ?? '');
  const isSaid = given !== undefined && words.includes(contactVariable);
  const sentTo = contact !== undefined && !isSaid && html`<p class="hint">${texts.sentTo(contact)}</p>`;
  const choice = methods.map(
    ({ id, label }, index) =>
      html`<label class="choice"><input type="radio" name="method" value="${id}" required${index === 0 && html` checked`}> <span>${label}</span></label>
`,
  );
  const body = html`<div class="ways"><form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'answer' })}${
  choice.length > 0 &&
  html`<fieldset class="choices"><legend>${texts.methods}</legend>
${choice}</fieldset>
`
}${codeField(frame, page.digits, view.problem !== undefined)}
${rememberField(frame, view)}${submitButton(frame, texts.submit)}
</form>
${
  sendsLeft !== undefined &&
  sendsLeft > 0 &&
  html`<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'resend' })}${submitButton(frame, texts.resend, 'quiet')}
</form>
<p class="hint">${texts.sendsLeft(sendsLeft)}</p>
`
}${othersForm(frame, view)}</div>`;
  return stepPage(frame, view, texts.title, html`<p class="lead" id="prompt">${prompt}</p>${sentTo}`, body);
}

function keyPage(frame: Frame, view: FactorView, page: KeyPage): Html {
  const { key } = frame.texts.factor;
  // Who wants the browser remembered says so before the key is touched.
  const isAtOnce = view.problem === undefined && view.rememberFor === undefined;
  const ask = { label: key.start, isAtOnce, more: rememberField(frame, view) };
  const body = html`<div class="ways">${keyForm(frame, view, page, ask)}
${othersForm(frame, view)}</div>`;
  return stepPage(frame, view, key.title, html`<p class="lead" id="prompt">${key.lead}</p>`, body);
}

/**
 * A form that a key answers. Without script, or in a browser that knows no keys, it says so: what else there is stands below.
 * `isAtOnce`: the browser asks for the key when the page is shown.
 */
export function keyForm(
  { texts }: Frame,
  { action, hidden }: Pick<StepView, 'action' | 'hidden'>,
  { ceremony, options }: KeyPage,
  {
    label,
    isAtOnce,
    denied = texts.factor.key.denied,
    more,
  }: { readonly label: string; readonly isAtOnce: boolean; readonly denied?: string; readonly more?: Html | false },
): Html {
  const { key } = texts.factor;
  return html`<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'answer' })}<input type="hidden" name="answer" value="" data-key-answer>
${more ?? false}<p class="hint" data-key-without>${key.without}</p>
<div data-key="${ceremony}" data-options="${JSON.stringify(options)}" data-denied="${denied}" data-known="${key.known}" data-failed="${key.failed}"${isAtOnce && html` data-key-at-once`}>
<p class="notice notice-alert" role="alert" data-key-status hidden></p>
<button class="button primary" type="button" data-key-start hidden>${label}</button>
</div>
</form>`;
}

/** The way to another factor, where there is one. */
export function othersForm(
  frame: Frame,
  { action, hidden, hasOthers }: Pick<FactorView, 'action' | 'hidden' | 'hasOthers'>,
): Html | false {
  return (
    hasOthers &&
    html`<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'choose' })}${submitButton(frame, frame.texts.factor.others, 'quiet')}
</form>`
  );
}

/** What users call a factor. */
export function factorName(frame: Frame, { name, type, label }: FactorName): string {
  if (label !== undefined) return wordsFor(frame, label);
  const names: Readonly<Record<string, string>> = frame.texts.factor.names;
  return Object.hasOwn(names, type) ? (names[type] ?? name) : name;
}

/** What stands around each step: whose login, what went wrong, how long it may take, and the way out. */
export function stepPage(
  frame: Frame,
  view: StepView & { readonly page?: { readonly kind: string } },
  heading: string,
  lead: Part,
  body: Part,
): Html {
  const { factor: texts, common } = frame.texts;
  const failed = view.problem !== undefined;
  return layout(frame, {
    heading,
    ...(failed && { titlePrefix: common.errorPrefix, requestId: view.requestId }),
    gate: 'ajar',
    ...(view.page?.kind === 'key' && { script: 'keys.js' as const }),
    body: html`${lead}
${signingInAs(frame, view.username)}
${view.problem && problemBox(frame, view.problem)}
${body}
<p class="hint">${texts.timeLeft(view.minutesLeft)}</p>
<p class="aside"><a href="${view.restartHref}">${texts.restart}</a></p>`,
  });
}

function problemBox(frame: Frame, { code, retryAfterSeconds, clockOffset }: FactorProblem): Html {
  const { factor: texts } = frame.texts;
  const words = clockOffset === undefined ? texts.problems[code] : texts.clock(Math.abs(clockOffset), clockOffset > 0);
  return messageBox(html`${words}${whenToRetry(frame, retryAfterSeconds, false)}`, true);
}

/** What an operator writes where the address or number is to stand. */
const contactVariable = `\${contact}`;

function promptOf({ prompts }: Texts['factor'], type: string): string | undefined {
  const known: Readonly<Record<string, string>> = prompts;
  return Object.hasOwn(known, type) ? known[type] : undefined;
}
