/** The pages for a form that met an ended session: it was not sent, or it was kept and may be sent. */
import { hiddenFields, linkButton, submitButton } from './fields.ts';
import { type Html, html } from './html.ts';
import { type Frame, layout } from './layout.ts';
import type { Texts } from './texts/en.ts';

/** A form is lost to us, though not always to the browser. */
export interface NotSentView {
  readonly kind: 'not-sent';
  readonly reason: keyof Texts['notSent']['reasons'];
  /** The page to open instead. */
  readonly openHref: string;
  /** True when signing in comes first. */
  readonly signIn: boolean;
  readonly requestId: string;
}

/**
 * A form was kept. The user sends it on, never the page by itself: another site may have made the browser send it.
 *
 * The button posts the fields to the application as the browser first did.
 */
export interface ReplayView {
  readonly kind: 'replay';
  /** Path and query on this site. */
  readonly action: string;
  readonly enctype?: 'application/x-www-form-urlencoded' | 'multipart/form-data' | 'text/plain' | undefined;
  /** In the order sent; a name may stand twice. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly discardHref: string;
}

/** The page for a form that is lost. */
export function notSentPage(frame: Frame, view: NotSentView): Html {
  const { notSent, common } = frame.texts;
  return layout(frame, {
    heading: notSent.title,
    gate: 'shut',
    requestId: view.requestId,
    body: html`<p class="lead">${notSent.body} ${notSent.reasons[view.reason]}</p>
<p>${notSent.advice}</p>
<div class="actions">${linkButton(view.openHref, view.signIn ? common.signIn : notSent.open, 'primary')}</div>`,
  });
}

/** The page that offers to send a saved form. */
export function replayPage(frame: Frame, view: ReplayView): Html {
  const { replay } = frame.texts;
  const names = [...new Set(view.fields.map(([name]) => name))];
  const [path = ''] = view.action.split('?', 1);
  return layout(frame, {
    heading: replay.title,
    gate: 'open',
    again: 'never',
    body: html`<p class="lead">${replay.body}</p>
<dl class="facts"><div><dt>${replay.to}</dt><dd><code>${path}</code></dd></div></dl>
<details><summary>${replay.fields(view.fields.length)}</summary><ul class="tags">${names.map((name) => html`<li class="tag">${name}</li>`)}</ul></details>
<p>${replay.caution}</p>
<form class="actions" method="post" action="${view.action}" enctype="${view.enctype ?? 'application/x-www-form-urlencoded'}">
${view.fields.map(([name, value]) => hiddenFields({ [name]: value }))}${submitButton(frame, replay.submit)}
${linkButton(view.discardHref, replay.discard)}
</form>`,
  });
}
