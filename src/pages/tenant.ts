/** The page on which somebody who belongs to several companies picks the one to sign in for. */
import type { FactorChoiceView } from './factor.ts';
import { stepPage } from './factor.ts';
import { hiddenFields, submitButton } from './fields.ts';
import { type Html, html } from './html.ts';
import type { Frame } from './layout.ts';

/** Which company. The form posts the hidden fields, `do` as `tenant`, and `tenant`. */
export interface TenantChoiceView extends Omit<FactorChoiceView, 'kind' | 'purpose' | 'factors'> {
  readonly kind: 'tenant-choice';
  /** The first is meant by the address that the user came to, where one is. */
  readonly tenants: readonly { readonly name: string; readonly company: string }[];
}

/** The choice. */
export function tenantChoicePage(frame: Frame, view: TenantChoiceView): Html {
  const { tenant: texts } = frame.texts;
  const buttons = view.tenants.map(
    ({ name, company }, index) => html`<form method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, do: 'tenant', tenant: name })}${submitButton(frame, company, index === 0 ? 'primary' : 'quiet')}
</form>
`,
  );
  const lead = html`<p class="lead">${texts.lead}</p>`;
  return stepPage(frame, view, texts.title, lead, html`<div class="ways">${buttons}</div>`);
}
