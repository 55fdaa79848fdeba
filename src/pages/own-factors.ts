/** The section of one's own second factors on the page of the account. */
import { deviceName } from './device.ts';
import { type FactorName, factorName } from './factor.ts';
import { type Hidden, hiddenFields, submitButton } from './fields.ts';
import { type Html, html } from './html.ts';
import type { Frame } from './layout.ts';

/** One's own factors. Times are in milliseconds since the epoch. */
export interface OwnFactorsView {
  readonly enrolments: readonly {
    readonly id: string;
    readonly factor: FactorName;
    readonly name: string;
    readonly createdAt: number;
    readonly lastUsedAt?: number | undefined;
    /** Uses that are left, where they are counted. */
    readonly left?: number | undefined;
  }[];
  /** What can be set up besides. */
  readonly addable: readonly FactorName[];
  /** Where the account is remembered. */
  readonly browsers: readonly OwnBrowser[];
}

/** A browser that stands in for a factor of the account. */
interface OwnBrowser {
  readonly id: string;
  readonly userAgent: string;
  readonly since: number;
  readonly until: number;
  /** The one in which the page is shown. */
  readonly isThis: boolean;
}

/** The section. Forms post `do`: `remove` or `rename` with `id` and `name`, `add` with `factor`, `forget` with `id`, or with none for all. */
export function ownFactorsSection(
  frame: Frame,
  { action, hidden }: { readonly action: string; readonly hidden: Hidden },
  { enrolments, addable, browsers }: OwnFactorsView,
): Html {
  const { ownFactors: texts } = frame.texts;
  const date = new Intl.DateTimeFormat(frame.language, { dateStyle: 'medium' });
  const items = enrolments.map(({ id, factor, name, createdAt, lastUsedAt, left }) => {
    const what = factorName(frame, factor);
    const called = name === '' ? what : name;
    return html`<li>
<p><strong>${called}</strong>${name !== '' && html` <span class="hint">${what}</span>`}</p>
<p class="hint">${texts.since(date.format(createdAt))}${lastUsedAt !== undefined && html` ${texts.lastUsed(date.format(lastUsedAt))}`}${left !== undefined && html` ${texts.left(left)}`}</p>
<details><summary aria-label="${`${texts.change}: ${called}`}">${texts.change}</summary>
<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'rename', id })}<div class="field">
<label for="name-${id}">${texts.name}</label>
<input id="name-${id}" name="name" type="text" maxlength="64" autocomplete="off" dir="auto" value="${name}">
</div>
${submitButton(frame, texts.rename, 'quiet')}
</form>
<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'remove', id })}<button class="button quiet" type="submit" aria-label="${`${texts.remove}: ${called}`}">${texts.remove}</button>
</form>
</details>
</li>
`;
  });
  const buttons = addable.map(
    (factor) => html`<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'add', factor: factor.name })}${submitButton(frame, texts.add(factorName(frame, factor)), 'quiet')}
</form>
`,
  );
  return html`<section id="factors"><h2>${texts.title}</h2>
${enrolments.length === 0 ? html`<p>${texts.none}</p>` : html`<ul class="factors">${items}</ul>`}
${buttons.length > 0 && html`<div class="ways">${buttons}</div>`}
${browsers.length > 0 && browsersPart(frame, { action, hidden }, browsers)}</section>`;
}

function browsersPart(
  frame: Frame,
  { action, hidden }: { readonly action: string; readonly hidden: Hidden },
  browsers: readonly OwnBrowser[],
): Html {
  const { browsers: texts } = frame.texts.ownFactors;
  const date = new Intl.DateTimeFormat(frame.language, { dateStyle: 'medium' });
  const items = browsers.map(({ id, userAgent, since, until, isThis }) => {
    const device = deviceName(frame, userAgent);
    return html`<li>
<p><strong>${device}</strong>${isThis && html` <span class="tag">${texts.here}</span>`}</p>
<p class="hint">${texts.since(date.format(since), date.format(until))}</p>
<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'forget', id })}<button class="button quiet small" type="submit" aria-label="${texts.forgetLabel(device)}">${texts.forget}</button>
</form>
</li>
`;
  });
  return html`<h3>${texts.title}</h3>
<p>${texts.lead}</p>
<ul class="factors">${items}</ul>
<form method="post" action="${action}">
${hiddenFields({ ...hidden, do: 'forget' })}${submitButton(frame, texts.forgetAll, 'quiet')}
</form>
`;
}
