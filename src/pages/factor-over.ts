/** The pages on which a login ends without a session, and for whoever has one by now. */
import type { WordsForVisitors } from '../core/route.ts';
import { linkButton, messageBox } from './fields.ts';
import { type Html, html } from './html.ts';
import { type Frame, layout, signedInAs, wordsFor } from './layout.ts';
import type { Texts } from './texts/en.ts';

/** A login that is over, or that cannot go on; `status` of the answer tells programs. */
export interface FactorOverView {
  readonly kind: 'factor-over';
  readonly reason: keyof Texts['factor']['over'];
  readonly restartHref: string;
  /** Somebody is signed in in this browser: nothing has failed for them. */
  readonly signedIn?: { readonly username: string; readonly homeHref: string } | undefined;
  readonly help?: { readonly text?: WordsForVisitors | undefined; readonly url?: string | undefined } | undefined;
  readonly requestId: string;
}

/** The end. */
export function factorOverPage(frame: Frame, view: FactorOverView): Html {
  const { factor: texts, common } = frame.texts;
  const { text, url } = view.help ?? {};
  if (view.signedIn) return factorDonePage(frame, view, view.signedIn);
  return layout(frame, {
    heading: texts.titleOver,
    titlePrefix: common.errorPrefix,
    requestId: view.requestId,
    gate: 'shut',
    again: 'never',
    body: html`${messageBox(texts.over[view.reason], true)}
${text !== undefined && html`<p>${wordsFor(frame, text)}</p>`}
<div class="ways">${linkButton(view.restartHref, texts.restart, 'primary')}
${url !== undefined && linkButton(url, common.help)}</div>`,
  });
}

/** An answer that came too late, or a second time, of somebody who is signed in. */
function factorDonePage(
  frame: Frame,
  { restartHref }: FactorOverView,
  { username, homeHref }: NonNullable<FactorOverView['signedIn']>,
): Html {
  const { factor: texts, common } = frame.texts;
  return layout(frame, {
    heading: texts.titleDone,
    gate: 'open',
    again: 'never',
    body: html`${signedInAs(frame, username)}
${messageBox(texts.done, false)}
<div class="ways">${linkButton(homeHref, common.home, 'primary')}
${linkButton(restartHref, common.notYou)}</div>`,
  });
}
