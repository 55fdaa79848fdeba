/** Makes the ways to be somebody, of one configuration: by a session, by the request's own proof, by a form, by a provider's. */
import { buildFactors, type FactorServices, type FactorsDocument } from '../factors/build.ts';
import { FactorDesk } from '../factors/desk.ts';
import type { EnrolmentMark } from '../factors/enrolment-mark.ts';
import type { Factors } from '../factors/factors.ts';
import { EnrolmentOpening } from '../factors/opening.ts';
import type { FactorRules } from '../factors/options.ts';
import { Passes } from '../factors/pass/passes.ts';
import { Sends } from '../factors/sends.ts';
import type { Worth } from '../policy/levels.ts';
import { Privileges } from '../policy/privileges.ts';
import { compileRoles, type RoleOptions } from '../policy/roles.ts';
import { type ApplicationOptions, roleEntries } from '../policy/roles-file.ts';
import type { TenantOptions, TenantRules } from '../policy/tenant-options.ts';
import { Tenants } from '../policy/tenants.ts';
import { givesLevels, worthOf } from '../policy/worth.ts';
import type { SiteOrigins } from '../routing/site-origins.ts';
import { KnownBrowsers } from '../sessions/known.ts';
import { PendingLogins } from '../sessions/pending.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import { AddressLockout, RecentSecrets } from '../users/address-lockout.ts';
import { ApiTokens } from '../users/api-tokens.ts';
import { Lockout } from '../users/lockout.ts';
import { LoginDoor } from './admit.ts';
import { AmbientSessions } from './ambient-sessions.ts';
import { RequestAuthenticator } from './authenticate-request.ts';
import { BasicAccess } from './basic-access.ts';
import { Browsers } from './browser.ts';
import { switchedOff } from './external.ts';
import { FactorNotices } from './factor-notices.ts';
import { FlowStates } from './flow-state.ts';
import { Flows } from './flows.ts';
import { Handovers } from './handovers.ts';
import { LoginSteps } from './login-steps.ts';
import { cutRoles, Offline } from './offline/offline.ts';
import { OfflineVerifiers } from './offline/verifiers.ts';
import { PassDesk } from './pass-desk.ts';
import { PasskeyLogin } from './passkey-login.ts';
import { PasswordLogin } from './password-login.ts';
import { Principals } from './principals.ts';
import { ProgramAccess } from './program-access.ts';
import { ProvedPasswords } from './proved-passwords.ts';
import { ProviderChallenges } from './provider-challenges.ts';
import { buildProviders, type ProviderServices, type Providers, type ProvidersDocument } from './providers.ts';
import { SessionRechecker } from './recheck.ts';
import { SessionRefresher } from './refresh.ts';
import { RememberedBrowsers } from './remembered.ts';
import { SignIn } from './sign-in.ts';
import { TokenAccess } from './token-access.ts';
import { TokenUsers } from './token-users.ts';
import { TypedNames } from './typed-names.ts';

/** What of a configuration concerns signing in. */
interface LoginDocuments extends ProvidersDocument, Omit<FactorsDocument, 'server'> {
  readonly session: { readonly recheck: number; readonly lifetime: number };
  readonly roles: RoleOptions;
  readonly applications: ApplicationOptions;
  readonly tenants: TenantOptions;
  readonly tenantRules: TenantRules;
}

/** What signing in needs of the process, and of the rooms below it. */
interface LoginServices extends ProviderServices, Omit<FactorServices, 'onSend'> {
  /** How many processes share the limits of what is kept for strangers. */
  readonly workers?: number;
  readonly origins: SiteOrigins;
  readonly sessions: Sessions;
  readonly recorder: Recorder;
  readonly mark: EnrolmentMark;
}

/** The ways of signing in, and what they share. */
export interface Login {
  readonly providers: Providers;
  readonly factors: Factors;
  readonly tenants: Tenants;
  readonly steps: LoginSteps;
  readonly door: LoginDoor;
  readonly pendings: PendingLogins;
  readonly worth: Worth;
  readonly factorRules: FactorRules;
  readonly notices: FactorNotices;
  readonly remembered: RememberedBrowsers;
  readonly recorder: Pick<Recorder, 'account'>;
  /** What an operator may do with the factors of accounts. */
  readonly desk: FactorDesk;
  readonly passDesk: PassDesk;
  readonly signIn: SignIn;
  readonly authenticator: RequestAuthenticator;
  readonly passwordLogin: PasswordLogin;
  readonly passkeys: PasskeyLogin;
  readonly provedPasswords: ProvedPasswords;
  readonly challenges: ProviderChallenges;
  readonly rechecker: SessionRechecker;
  readonly offline: Offline;
  readonly lockout: Lockout;
  readonly addressLockout: AddressLockout;
  readonly programs: ProgramAccess;
  readonly apiTokens: ApiTokens;
  readonly tokenUsers: TokenUsers;
  readonly browsers: Browsers;
  readonly flows: Flows;
  readonly names: TypedNames;
  readonly flowStates: FlowStates;
  readonly handovers: Handovers;
}

/** Makes all of it. Throws an OperatorError for a provider that cannot be made; none stays open then. */
export async function buildLogin(document: LoginDocuments, services: LoginServices): Promise<Login> {
  const { clock, log, store, sessions, origins, recorder } = services;
  const { login, server } = document;
  const { publicUrl } = server;
  const browsers = await Browsers.open(store, publicUrl);
  const factors = buildFactors(document, { ...services, onSend: (report) => recorder.codeSent(report) });
  const providers = buildProviders(document, services);
  const { chain, directoryOf } = providers;
  const names = new TypedNames(document.providers);
  const tenants = new Tenants(document.tenants, document.tenantRules);
  const worth = worthOf(document);
  const principals = new Principals({
    tenants,
    roles: cutRoles(compileRoles(roleEntries(document)), login.offline?.roles ?? []),
    privileges: new Privileges(document.applications),
    ...(givesLevels(document) && { worth }),
  });
  const signIn = new SignIn({
    log,
    chain,
    off: switchedOff(document),
    names,
    totalTimeout: login.total,
    sessions,
    reservedUsers: login.reservedUsers,
    publicUrl,
    principals,
    directoryOf,
    recorder,
  });
  const door = new LoginDoor({ clock, worth, level: login.level, principals });
  const pendings = new PendingLogins({ store, clock, publicUrl, lifetime: document.factorRules.pending });
  const notices = new FactorNotices({
    ...{ mailer: factors.mailer, isWanted: document.factorRules.enrol.notify, sessions, log },
    ...{ siteName: document.pages.siteName, language: document.pages.language },
    typeOf: (name) => factors.find(name)?.type,
  });
  const { remember } = document.factorRules;
  const known = new KnownBrowsers({ store, clock, publicUrl, lasts: remember.for, perBrowser: remember.perBrowser });
  const { mustKnow } = providers;
  const { limits } = factors;
  const remembered = new RememberedBrowsers({ clock, log, rules: remember, known, limits, chain, mustKnow, recorder });
  const { first } = document.factorRules.enrol;
  const codes = new Passes(services, 'enrolment');
  const opening = new EnrolmentOpening({ first, mark: services.mark, limits, codes });
  const steps = new LoginSteps({
    ...{ clock, log, worth, door, pendings, browsers, signIn, sessions, recorder },
    ...{ factors, notices, remembered, opening, rules: document.factorRules, workers: services.workers },
  });
  const desk = new FactorDesk(factors, new Passes(services), known, opening);
  const linkOf = (name: string) => chain.find((link) => link.name === name);
  const refresher = new SessionRefresher({ store, clock, sessions, log, linkOf, principals });
  const verifiers = new OfflineVerifiers({ store, clock, log });
  const following = { store, clock, sessions, log, chain, verifiers, principals };
  const rechecker = new SessionRechecker({
    ...following,
    mustKnow,
    verifiers: {
      heed: async (...said) => {
        await verifiers.heed(...said);
        await remembered.heed(...said);
      },
    },
    every: document.session.recheck,
  });
  const offline = new Offline({
    ...{ ...following, rechecker, isAway: providers.isAway, lifetime: document.session.lifetime },
    options: login.offline,
    providers: Object.keys(document.providers),
  });
  const ambientSessions = new AmbientSessions({ signIn, sessions, clock, door });
  const lockout = new Lockout({ store, clock, options: login.lockout });
  const recent = new RecentSecrets({ store, clock, keptFor: login.lockout.delay, sealer: services.sealer });
  const addressLockout = new AddressLockout({ store, clock, options: login.lockout, recent });
  const apiTokens = new ApiTokens({ store, clock, log });
  const tokenUsers = new TokenUsers({ store, clock, log, chain, names });
  const passwordLogin = new PasswordLogin({
    ...{ signIn, lockout, cuts: sessions.cuts, offline },
    endSessions: async (account, kept) => {
      await remembered.forget(account);
      for await (const { id } of sessions.ofAccount(account)) if (id !== kept) await sessions.revoke(id, 'revoked');
    },
  });
  const tokens = new TokenAccess({
    ...{ tokens: apiTokens, users: tokenUsers, lockout: addressLockout },
    ...{ principals, recorder, log },
  });
  const basic = new BasicAccess({ passwords: passwordLogin, signIn, door, cuts: sessions.cuts, clock, recent });
  const passkeys = new PasskeyLogin({
    ...{ clock, log, factors, browsers, signIn, door, recorder, cuts: sessions.cuts, lockout: addressLockout },
  });
  const programs = new ProgramAccess({ tokens, basic });
  return {
    providers,
    names,
    factors,
    notices,
    remembered,
    recorder,
    desk,
    passDesk: new PassDesk({
      ...{ factors: document.factors, desk, sessions, notices, users: tokenUsers, principals },
      sends: new Sends({ store, clock }),
    }),
    tenants,
    steps,
    door,
    pendings,
    worth,
    factorRules: document.factorRules,
    signIn,
    authenticator: new RequestAuthenticator({
      ...{ signIn, principals, sessions, publicUrl, origins, refresher, rechecker, ambientSessions, browsers },
      ...{ programs, steps },
    }),
    programs,
    apiTokens,
    tokenUsers,
    passwordLogin,
    passkeys,
    provedPasswords: new ProvedPasswords({ store, clock }),
    challenges: new ProviderChallenges({ store, clock, workers: services.workers }),
    rechecker,
    offline,
    lockout,
    addressLockout,
    browsers,
    flows: new Flows(store, clock, services.workers),
    flowStates: new FlowStates(browsers),
    handovers: new Handovers({ store, clock, publicUrl, workers: services.workers }),
  };
}
