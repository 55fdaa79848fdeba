/** The page on which a supervisor makes a pass, and reads it out. */
import { type Hidden, hiddenFields, messageBox, submitButton, usernameField } from './fields.ts';
import { type Html, html } from './html.ts';
import { type Frame, layout, signedInAs } from './layout.ts';

/** Shown to somebody who may make passes. The form posts `user`, and `what` as `pass`, `code` or `reset`. */
export interface PassView {
  readonly kind: 'pass';
  readonly action: string;
  readonly hidden: Hidden;
  readonly username: string;
  readonly result?:
    | {
        readonly kind: 'issued';
        readonly what: 'pass' | 'code';
        readonly user: string;
        readonly code: string;
        readonly uses: number;
        readonly hours: number;
      }
    | { readonly kind: 'reset'; readonly user: string }
    | { readonly kind: 'refused' | 'too-many' | 'has-factors' }
    | undefined;
  /** First factors are set up by a code, which is made here too. */
  readonly makesCodes: boolean;
  readonly backHref: string;
  readonly requestId: string;
}

/** The page. */
export function passPage(frame: Frame, view: PassView): Html {
  const { pass, sessions, common } = frame.texts;
  const { result } = view;
  const failed = result !== undefined && result.kind !== 'issued' && result.kind !== 'reset';
  return layout(frame, {
    heading: pass.title,
    ...(failed && { titlePrefix: common.errorPrefix, requestId: view.requestId }),
    gate: 'open',
    // The code is on the answer to a form, and nowhere a second time.
    ...(result?.kind === 'issued' && { again: 'never' as const }),
    body: html`${signedInAs(frame, view.username)}
${
  result?.kind === 'issued' &&
  html`<section class="issued" role="status"><h2>${pass[result.what](result.user)}</h2>
<p class="secret"><code translate="no" class="pass-code">${`${result.code.slice(0, 4)} ${result.code.slice(4)}`}</code></p>
<p class="hint">${pass.use(result.uses, result.hours)}</p></section>`
}${result?.kind === 'reset' && messageBox(pass.reset(result.user), false)}<p class="lead">${pass.lead}</p>
${failed && messageBox(pass[result.kind], true)}
<div class="ways"><form method="post" action="${view.action}">
${hiddenFields(view.hidden)}${usernameField({ name: 'user', label: pass.user, autocomplete: 'off', autofocus: result?.kind !== 'issued', invalid: failed, ...(failed && { describedBy: 'notice' }) })}
${whatFields(frame, view.makesCodes)}${submitButton(frame, pass.submit)}
</form></div>
<p class="aside links"><a href="${view.backHref}">${sessions.back}</a></p>`,
  });
}

function whatFields({ texts: { pass } }: Frame, makesCodes: boolean): Html {
  const whats = makesCodes ? (['pass', 'code', 'reset'] as const) : (['pass', 'reset'] as const);
  const choice = whats.map(
    (what) =>
      html`<label class="choice"><input type="radio" name="what" value="${what}" required${what === 'pass' && html` checked`}> <span>${pass.whats[what]}</span></label>
`,
  );
  return html`<fieldset class="choices"><legend>${pass.what}</legend>
${choice}</fieldset>
`;
}
