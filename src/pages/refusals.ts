/** The pages that say no: errors, denials, a login that goes round in circles. Nothing internal stands on them. */
import type { ErrorCode } from '../core/errors.ts';
import { errorCodes } from '../core/errors.ts';
import type { Reason } from '../core/reason.ts';
import type { WordsForVisitors } from '../core/route.ts';
import { linkButton, triesByItself, whenToRetry } from './fields.ts';
import { type Html, html, type Part } from './html.ts';
import { contact, type Frame, layout, signedInAs } from './layout.ts';

/** Any public error. */
export interface ErrorView {
  readonly kind: 'error';
  readonly code: ErrorCode;
  readonly requestId: string;
  /** Where the same may be tried again; only for requests that are safe to repeat. */
  readonly retryHref?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
  /** False where a start page would not help, such as while nobody can sign in. */
  readonly homeHref?: string | false | undefined;
}

/** Policy said no to somebody who is signed in. */
export interface DeniedView {
  readonly kind: 'denied';
  readonly reason: Reason;
  readonly requestId: string;
  readonly username?: string | undefined;
  /** Who may pass, in words that users know: labels of roles, or of providers. */
  readonly openTo?: readonly string[] | undefined;
  /** Whom to ask about this page, before the site's own contact. */
  readonly contact?: WordsForVisitors | undefined;
  /** Where somebody else may sign in instead. */
  readonly switchHref?: string | undefined;
  readonly homeHref?: string | undefined;
}

/** The browser was sent to sign in too often in a row. */
export interface LoopView {
  readonly kind: 'loop';
  readonly requestId: string;
  readonly retryHref: string;
  /** The form of user name and password, when there is one. */
  readonly formHref?: string | undefined;
  /** The login itself works: who is signed in, and where somebody else may sign in instead. */
  readonly signedIn?: { readonly username: string; readonly switchHref: string } | undefined;
}

/** Errors that pass by themselves. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'TOO_MANY_FAILURES',
  'PROVIDER_UNAVAILABLE',
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_BROKE',
  'UNAVAILABLE',
]);

/** Errors after which the page looks by itself whether they have passed. */
const retried: ReadonlySet<number> = new Set([502, 503]);

/** The page of an error. */
export function errorPage(frame: Frame, view: ErrorView): Html {
  const { common, errors } = frame.texts;
  const { title, body } = errors[view.code];
  const { status } = errorCodes[view.code];
  const retry = whenToRetry(frame, view.retryAfterSeconds, passing.has(view.code));
  const again = view.retryHref !== undefined && linkButton(view.retryHref, common.retry, 'primary');
  const home = view.homeHref !== false && linkButton(view.homeHref ?? '/', common.home, again ? 'quiet' : 'primary');
  return layout(frame, {
    heading: title,
    gate: 'shut',
    requestId: view.requestId,
    status,
    body: html`<p class="lead">${body}${retry}</p>
${view.retryHref !== undefined && retried.has(status) && triesByItself(frame, view.retryHref, view.retryAfterSeconds)}
<div class="actions">${again}${home}</div>`,
  });
}

/** The page of a denial: what is missing, and whom to ask. */
export function deniedPage(frame: Frame, view: DeniedView): Html {
  const { denied, common } = frame.texts;
  const [before, after] = denied.ask;
  const helps = view.reason === 'provider-not-admitted' && view.switchHref !== undefined;
  const home = linkButton(view.homeHref ?? '/', common.home, helps ? 'quiet' : 'primary');
  const elsewise =
    view.switchHref !== undefined &&
    linkButton(
      view.switchHref,
      helps ? denied.otherWay : view.username === undefined ? denied.signInAgain : common.notYou,
      helps ? 'primary' : 'quiet',
    );
  return layout(frame, {
    heading: denied.title,
    gate: 'shut',
    requestId: view.requestId,
    status: errorCodes.ACCESS_DENIED.status,
    help: 'none',
    body: html`<p class="lead">${why(frame, view.reason)}</p>
${openTo(frame, view)}
${view.reason !== 'location-closed' && html`<p>${before}${contact(frame, view.contact) ?? denied.defaultContact}${after}</p>`}
${view.username !== undefined && signedInAs(frame, view.username)}
<div class="actions">${helps ? [elsewise, home] : [home, elsewise]}</div>`,
  });
}

/** The page that ends a loop of redirects. */
export function loopPage(frame: Frame, { requestId, retryHref, formHref, signedIn }: LoopView): Html {
  const { loop, common } = frame.texts;
  const { body, tips } = signedIn ? loop.signedIn : loop;
  return layout(frame, {
    heading: loop.title,
    gate: 'shut',
    requestId,
    body: html`<p class="lead">${body}</p>
<ul class="tips">${tips.map((tip) => html`<li>${tip}</li>`)}</ul>
${signedIn && signedInAs(frame, signedIn.username)}
<div class="actions">${linkButton(retryHref, common.retry, 'primary')}${signedIn && linkButton(signedIn.switchHref, common.notYou)}${formHref !== undefined && linkButton(formHref, loop.otherWay)}</div>`,
  });
}

function why({ texts: { denied } }: Frame, reason: Reason): string {
  if (reason === 'location-closed') return denied.closed;
  if (reason === 'provider-not-admitted') return denied.provider;
  if (reason === 'network-not-admitted') return denied.network;
  if (reason === 'tenant-missing') return denied.tenantMissing;
  if (reason === 'tenant-ambiguous') return denied.tenantAmbiguous;
  if (reason === 'tenant-mismatch') return denied.tenantMismatch;
  return reason === 'policy-broke' ? denied.policy : denied.role;
}

function openTo({ texts: { denied } }: Frame, { reason, openTo: names = [] }: DeniedView): Part {
  if (names.length === 0) return undefined;
  return html`<p class="open-to">${reason === 'provider-not-admitted' ? denied.openToProviders : denied.openTo}</p>
<ul class="tags">${names.map((name) => html`<li class="tag">${name}</li>`)}</ul>`;
}
