/** The page that asks for a passkey before anybody has said who they are. */
import type { KeyPage } from '../core/factor.ts';
import { keyForm } from './factor.ts';
import { type Hidden, linkButton, messageBox, whenToRetry } from './fields.ts';
import { type Html, html } from './html.ts';
import { type Frame, layout } from './layout.ts';
import type { Texts } from './texts/en.ts';

/** Asks for it. The form posts the hidden fields, and `answer`. */
export interface PasskeyView {
  readonly kind: 'passkey';
  readonly action: string;
  readonly hidden: Hidden;
  readonly page: KeyPage;
  /** Where the other ways to sign in are. */
  readonly othersHref: string;
  readonly problem?: keyof Texts['passkey']['problems'] | 'cookie-missing' | 'too-many-failures' | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly requestId: string;
}

/** The page. The browser asks for the passkey at once, unless something went wrong just before. */
export function passkeyPage(frame: Frame, view: PasskeyView): Html {
  const { passkey: texts, common } = frame.texts;
  const { problem, retryAfterSeconds } = view;
  const words =
    problem === 'cookie-missing' || problem === 'too-many-failures'
      ? frame.texts.notices[problem]
      : problem && texts.problems[problem];
  const retry = whenToRetry(frame, retryAfterSeconds, problem === 'unavailable');
  const ask = { label: texts.start, isAtOnce: problem === undefined, denied: texts.denied };
  return layout(frame, {
    heading: texts.title,
    ...(problem && { titlePrefix: common.errorPrefix, requestId: view.requestId }),
    gate: problem === 'unavailable' ? 'shut' : 'ajar',
    script: 'keys.js',
    body: html`<p class="lead" id="prompt">${texts.lead}</p>
${words !== undefined && messageBox(html`${words}${retry}`, true)}
<div class="ways">${keyForm(frame, view, view.page, ask)}
${linkButton(view.othersHref, texts.others)}</div>`,
  });
}
