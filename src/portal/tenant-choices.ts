/** The tenants that the page of a choice offers. */
import type { TenantChoiceView } from '../pages/tenant.ts';
import type { PendingLogin } from '../sessions/pending.ts';
import type { PortalParts } from './context.ts';

/** A host of the site, with the port of its address. */
export type SiteHost = Parameters<PortalParts['tenants']['isHome']>[1];

/** Those that somebody may choose; the one whose host they came to is the first. */
export function choicesOf(
  { tenants, signIn }: Pick<PortalParts, 'tenants' | 'signIn'>,
  { assertion, provider }: PendingLogin['vouched'],
  at?: SiteHost,
): TenantChoiceView['tenants'] {
  const decided = signIn.tenantOf(assertion, provider);
  const names = decided.kind === 'open' ? [...decided.tenants] : [];
  const isHome = (name: string): number => Number(at !== undefined && tenants.isHome(name, at));
  return names
    .sort((one, other) => isHome(other) - isHome(one))
    .map((name) => ({ name, company: tenants.companyOf(name) }));
}
