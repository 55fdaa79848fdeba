/** XiVO's ways of signing in without a password: Kerberos, CAS, OpenID Connect. */

import { trustFor } from './java.ts';
import type { ProviderPlan } from './provider-plan.ts';
import type { Setting, Settings } from './settings.ts';
import type { Translation } from './translation.ts';

/** What the ways in are translated from, and to. */
export interface XivoContext {
  readonly translation: Translation;
  readonly plan: ProviderPlan;
  readonly settings: Settings;
  /** The properties of `JAVA_OPTS`. */
  readonly java: Settings;
  /** `default_realm` of krb5.conf. */
  readonly defaultRealm: Setting | undefined;
  /** The krb5.conf that a volume puts in the place of the machine's. */
  readonly krb5Config: string | undefined;
}

/** `USE_SSO` with the principal and the keytab of `JAVA_OPTS`. */
export function translateKerberos(context: XivoContext): void {
  const { translation, plan, settings, java } = context;
  const sso = settings.get('USE_SSO');
  const isWanted = translation.truth('USE_SSO', sso);
  const principal = java.get('secured.krb5.principal');
  const keytab = java.get('secured.krb5.keyTab');
  const config = java.get('java.security.krb5.conf');
  if (sso && isWanted === false) plan.drop('kerberos', sso.origin);
  if (!isWanted && (isWanted === false || !plan.has('kerberos'))) {
    const given = principal ?? keytab;
    if (given) translation.leaveOut(given.origin, 'JAVA_OPTS -Dsecured.krb5.…', 'USE_SSO is not true: Kerberos is off');
    return;
  }
  const origin = principal?.origin ?? keytab?.origin ?? sso?.origin;
  if (origin === undefined) return;
  if (!plan.has('kerberos') && (!principal || !keytab)) {
    translation.problem(
      origin,
      'USE_SSO is true, but JAVA_OPTS lacks the principal or the keytab',
      'set -Dsecured.krb5.principal and -Dsecured.krb5.keyTab (XiVO has them in docker-xivocc.yml), or USE_SSO=false',
    );
    return;
  }
  const name = plan.want('kerberos', origin);
  if (name === undefined) return;
  if (keytab) plan.set(name, 'keytab', keytab.value, keytab.origin);
  if (config) plan.set(name, 'krb5Config', config.value, config.origin);
  else if (context.krb5Config !== undefined)
    plan.set(name, 'krb5Config', context.krb5Config, principal?.origin ?? origin);
  if (!principal) return;
  plan.set(name, 'principal', principal.value, principal.origin);
  cautionOfHost(context, name, principal);
  if (!principal.value.includes('@') && translation.at('providers', name, 'realms') === undefined)
    translateRealm(context, name, principal);
}

/** Browsers ask for a ticket of the name in their address bar, and the keytab has to know it. */
function cautionOfHost({ translation, settings }: XivoContext, provider: string, principal: Setting): void {
  const host = /^[^/@]+\/([^/@]+)/.exec(principal.value)?.[1] ?? '';
  const browsers = settings.get('XUC_HOST')?.value;
  if (browsers === undefined || host === '' || host.toLowerCase() === browsers.toLowerCase()) return;
  translation.caution({
    key: ['providers', provider, 'principal'],
    origin: principal.origin,
    message: `browsers ask for a ticket of HTTP/${browsers}, after XUC_HOST, and this principal is for ${host}`,
    hint: 'make a keytab for that name, or let XUC_HOST be this one',
  });
}

function translateRealm({ translation, plan, defaultRealm }: XivoContext, provider: string, principal: Setting): void {
  if (defaultRealm) plan.set(provider, 'realms', [defaultRealm.value], defaultRealm.origin);
  else
    translation.problem(
      principal.origin,
      'the principal of Kerberos names no realm, and no default_realm was found in krb5.conf',
      'write HTTP/host@REALM, or let KRB5_CONFIG name a krb5.conf with a default_realm',
    );
}

/** `CAS_SERVER_URL` and `CAS_LOGOUT_ENABLE`. The browser of a XiVO user goes to CAS without being asked. */
export function translateCas({ translation, plan, settings, java }: XivoContext): void {
  const url = settings.get('CAS_SERVER_URL');
  const logout = settings.get('CAS_LOGOUT_ENABLE');
  const isLoggedOut = translation.truth('CAS_LOGOUT_ENABLE', logout);
  const origin = url?.origin ?? logout?.origin;
  if (origin === undefined) return;
  if (!url && !plan.has('cas')) {
    translation.leaveOut(origin, 'CAS_LOGOUT_ENABLE', 'CAS_SERVER_URL is not set: there is no CAS');
    return;
  }
  const name = plan.want('cas', origin);
  if (name === undefined) return;
  if (url) {
    plan.set(name, 'url', url.value, url.origin);
    const trust = trustFor(translation, java, url.value);
    if (trust) plan.set(name, 'ca', trust.ca, trust.origin, trust.variable);
    if (!translation.existing) translation.set(['login', 'default'], name, url.origin);
  }
  if (logout && isLoggedOut !== undefined) plan.set(name, 'logout', isLoggedOut, logout.origin);
}

const oidcNames = [
  'OIDC_SERVER_URL',
  'OIDC_CLIENT_ID',
  'OIDC_AUDIENCE',
  'OIDC_USERNAME_FIELD',
  'OIDC_LOGOUT_ENABLE',
] as const;

/** `ENABLE_OIDC`, which makes OpenID Connect the way in that is taken by default, and the `OIDC_` variables. */
export function translateOidc(context: XivoContext): void {
  const { translation, plan, settings, java } = context;
  const enable = settings.get('ENABLE_OIDC');
  const isEnabled = translation.truth('ENABLE_OIDC', enable);
  const issuer = settings.get('OIDC_SERVER_URL');
  const given = oidcNames.flatMap((name) => [settings.get(name) ?? []].flat().map((setting) => ({ name, ...setting })));
  if (enable && isEnabled === false) plan.drop('oidc', enable.origin);
  if (!isEnabled && (isEnabled === false || !plan.has('oidc'))) {
    for (const { name, origin } of given)
      translation.leaveOut(origin, name, 'ENABLE_OIDC is not true: OpenID Connect is off');
    return;
  }
  const origin = issuer?.origin ?? given[0]?.origin ?? enable?.origin;
  if (origin === undefined) return;
  if (!plan.has('oidc') && (!issuer || !settings.has('OIDC_CLIENT_ID'))) {
    translation.problem(
      origin,
      'ENABLE_OIDC is true, but OIDC_SERVER_URL or OIDC_CLIENT_ID is not set',
      'set both, or ENABLE_OIDC=false',
    );
    return;
  }
  const name = plan.want('oidc', origin);
  if (name === undefined) return;
  if (issuer) {
    plan.set(name, 'issuer', issuer.value, issuer.origin);
    const trust = trustFor(translation, java, issuer.value);
    if (trust) plan.set(name, 'ca', trust.ca, trust.origin, trust.variable);
  }
  translateClient(context, name);
  if (enable && isEnabled) translation.set(['login', 'default'], name, enable.origin);
}

/**
 * XiVO lists the clients whose tokens it takes: the first is who we are. `OIDC_AUDIENCE` is what an access token must be meant
 * for, which is one of the clients when it is not set. The user's name is read in that token, too.
 */
function translateClient({ translation, plan, settings }: XivoContext, provider: string): void {
  const clients = settings.get('OIDC_CLIENT_ID');
  const [first, ...others] = listOf(clients);
  if (clients && first === undefined)
    translation.problem(
      clients.origin,
      'OIDC_CLIENT_ID names no client',
      'set it to the id of the client, or several with commas',
    );
  if (clients && first !== undefined)
    plan.set(provider, 'clientId', others.length > 0 ? [first, ...others] : first, clients.origin);
  const audience = settings.get('OIDC_AUDIENCE') ?? clients;
  if (audience) plan.set(provider, 'audience', listOf(audience), audience.origin);
  const field = settings.get('OIDC_USERNAME_FIELD');
  if (field) plan.set(provider, 'usernameClaim', field.value, field.origin);
  const namedBy = field ?? (plan.has('oidc') ? undefined : clients);
  if (namedBy && translation.at('providers', provider, 'usernameFrom') === undefined)
    plan.set(provider, 'usernameFrom', 'access-token', namedBy.origin);
  const logout = settings.get('OIDC_LOGOUT_ENABLE');
  const isLoggedOut = translation.truth('OIDC_LOGOUT_ENABLE', logout);
  // What XiVO sends at logout is what Keycloak took before version 18.
  if (logout && isLoggedOut !== undefined)
    plan.set(provider, 'logout', isLoggedOut ? 'redirect_uri' : false, logout.origin);
}

function listOf(setting: Setting | undefined): string[] {
  return (setting?.value ?? '').split(',').flatMap((part) => part.trim() || []);
}

/**
 * Who may sign in without typing: XiVO's manual has it that the user's name must be XiVO's. Where the settings have a directory,
 * it is asked about everybody; where they have none nobody is, and that is said.
 */
export function translateExistence({ translation, plan }: XivoContext): void {
  const directory = plan.wanted('ldap');
  for (const type of ['kerberos', 'cas', 'oidc'] as const) {
    const provider = plan.wanted(type);
    if (!provider) continue;
    const says = (key: string): boolean => translation.at('providers', provider.name, key) !== undefined;
    if (directory) {
      if (type === 'kerberos' && !says('lookup')) plan.set(provider.name, 'lookup', directory.name, directory.origin);
      if (!says('mustExistIn')) plan.set(provider.name, 'mustExistIn', directory.name, directory.origin);
    } else if (!says('mustExistIn'))
      translation.caution({
        key: ['providers', provider.name],
        origin: provider.origin,
        message: `whoever ${names[type]} signs in is let in: the settings have no directory to ask, so that the applications must know the user`,
        hint: 'name a provider of type ldap or local under mustExistIn to have it asked',
      });
  }
}

const names = { kerberos: 'Kerberos', cas: 'CAS', oidc: 'the identity provider' } as const;
