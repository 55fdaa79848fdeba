/** Every page there is, by kind: data in, an HTML document out. Status, headers and cookies are the gateway's. */
import {
  type LogoutView,
  logoutPage,
  type SessionsView,
  type SignedOutView,
  sessionsPage,
  signedOutPage,
} from './account.ts';
import { type AccountView, accountPage } from './account-settings.ts';
import { type Assets, loadAssets } from './assets.ts';
import { type EnrolmentCodeView, type EnrolmentView, enrolmentCodePage, enrolmentPage } from './enrol.ts';
import { type FactorChoiceView, type FactorView, factorChoicePage, factorPage } from './factor.ts';
import { type FactorOverView, factorOverPage } from './factor-over.ts';
import type { Html } from './html.ts';
import { type Language, languages, preferredLanguage } from './language.ts';
import type { Frame, PasswordWords } from './layout.ts';
import {
  type LoginView,
  loginPage,
  type NewPasswordView,
  newPasswordPage,
  type StepUpView,
  stepUpPage,
} from './login.ts';
import type { PageOptions } from './options.ts';
import { type PassView, passPage } from './pass.ts';
import { type PasskeyView, passkeyPage } from './passkey.ts';
import { type NotSentView, notSentPage, type ReplayView, replayPage } from './posts.ts';
import { type DeniedView, deniedPage, type ErrorView, errorPage, type LoopView, loopPage } from './refusals.ts';
import { type StartView, startPage } from './start.ts';
import { type TenantChoiceView, tenantChoicePage } from './tenant.ts';

/** The data of a page, told apart by `kind`. */
export type PageView =
  | LoginView
  | StepUpView
  | NewPasswordView
  | FactorChoiceView
  | FactorView
  | FactorOverView
  | EnrolmentView
  | EnrolmentCodeView
  | SignedOutView
  | LogoutView
  | SessionsView
  | AccountView
  | PassView
  | PasskeyView
  | StartView
  | TenantChoiceView
  | ErrorView
  | DeniedView
  | LoopView
  | NotSentView
  | ReplayView;

/** The pages of one site. */
export interface Pages {
  /** The language for an Accept-Language header; answers vary by that header. */
  language(acceptLanguage: string | undefined): Language;
  /** A whole document, for `text/html; charset=utf-8`. */
  render(language: Language, view: PageView): string;
  /** By the name under `assetPath`. */
  assets(): Assets;
}

/**
 * The Content-Security-Policy that every page fits: no inline script or style, nothing from elsewhere. Scripts ask the site alone.
 *
 * A logout may be answered with a redirect to an identity provider, which `form-action` covers too: its origin then
 * belongs into `formTargets`.
 */
export function contentSecurityPolicy(formTargets: readonly string[] = []): string {
  return [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Reads the assets once and makes the pages of a site; throws when an asset of our own is missing. */
export function createPages(options: PageOptions, passwords?: PasswordWords): Pages {
  const assets = loadAssets(options);
  return {
    language: (acceptLanguage) => preferredLanguage(acceptLanguage, options.language),
    render: (language, view) =>
      document({ language, texts: languages[language], options, passwords, assets }, view).toString(),
    assets: () => assets,
  };
}

function document(frame: Frame, view: PageView): Html {
  switch (view.kind) {
    case 'login':
      return loginPage(frame, view);
    case 'step-up':
      return stepUpPage(frame, view);
    case 'new-password':
      return newPasswordPage(frame, view);
    case 'factor-choice':
      return factorChoicePage(frame, view);
    case 'factor':
      return factorPage(frame, view);
    case 'factor-over':
      return factorOverPage(frame, view);
    case 'enrolment-code':
      return enrolmentCodePage(frame, view);
    case 'enrolment':
      return enrolmentPage(frame, view);
    case 'signed-out':
      return signedOutPage(frame, view);
    case 'logout':
      return logoutPage(frame, view);
    case 'sessions':
      return sessionsPage(frame, view);
    case 'account':
      return accountPage(frame, view);
    case 'pass':
      return passPage(frame, view);
    case 'passkey':
      return passkeyPage(frame, view);
    case 'start':
      return startPage(frame, view);
    case 'tenant-choice':
      return tenantChoicePage(frame, view);
    case 'error':
      return errorPage(frame, view);
    case 'denied':
      return deniedPage(frame, view);
    case 'loop':
      return loopPage(frame, view);
    case 'not-sent':
      return notSentPage(frame, view);
    case 'replay':
      return replayPage(frame, view);
    default:
      view satisfies never;
      throw new TypeError('pages: a view of no known kind');
  }
}
