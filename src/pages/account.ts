/** The pages about being signed in: your sessions, signing out, having signed out. */
import { deviceName, readDevice } from './device.ts';
import { type Hidden, hiddenFields, linkButton, messageBox, submitButton } from './fields.ts';
import { type Html, html } from './html.ts';
import { type Frame, layout, signedInAs } from './layout.ts';

/** Shown once the session is gone. */
export interface SignedOutView {
  readonly kind: 'signed-out';
  readonly loginHref: string;
  /** True when an identity provider may still know the browser. */
  readonly stillElsewhere?: boolean | undefined;
}

/** Asks before signing out: a link from elsewhere must not do it. */
export interface LogoutView {
  readonly kind: 'logout';
  readonly action: string;
  readonly hidden: Hidden;
  readonly stayHref: string;
  readonly username: string;
}

/** One of a user's sessions. Times are in milliseconds since the epoch. */
interface SessionEntry {
  readonly id: string;
  readonly userAgent: string;
  readonly address: string;
  /** The provider, by its name for users. */
  readonly method: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly current: boolean;
}

/** A user's own sessions. The forms post `end` with a session's id, or `end=others`. */
export interface SessionsView {
  readonly kind: 'sessions';
  readonly action: string;
  readonly hidden: Hidden;
  readonly username: string;
  readonly sessions: readonly SessionEntry[];
  readonly now: number;
  readonly backHref: string;
  /** Where the password is changed. */
  readonly accountHref: string;
  readonly logoutHref: string;
  /** How many were ended just before. */
  readonly ended?: number | undefined;
}

/** The page after signing out. */
export function signedOutPage(frame: Frame, view: SignedOutView): Html {
  const { signedOut } = frame.texts;
  return layout(frame, {
    heading: signedOut.title,
    gate: 'ajar',
    body: html`<p class="lead">${view.stillElsewhere === true ? signedOut.stillElsewhere : signedOut.body}</p>
<div class="actions">${linkButton(view.loginHref, signedOut.again, 'primary')}</div>`,
  });
}

/** The page that asks whether to sign out. */
export function logoutPage(frame: Frame, view: LogoutView): Html {
  const { logout } = frame.texts;
  return layout(frame, {
    heading: logout.title,
    gate: 'ajar',
    body: html`${signedInAs(frame, view.username)}
<p class="lead">${logout.body}</p>
<form class="actions" method="post" action="${view.action}">
${hiddenFields(view.hidden)}${submitButton(frame, logout.submit)}
${linkButton(view.stayHref, logout.stay)}
</form>`,
  });
}

/** The list of a user's sessions, this one first. */
export function sessionsPage(frame: Frame, view: SessionsView): Html {
  const texts = frame.texts.sessions;
  const newestFirst = view.sessions.toSorted((a, b) => b.lastSeenAt - a.lastSeenAt);
  const others = newestFirst.filter((entry) => !entry.current);
  const mine = newestFirst.filter((entry) => entry.current);
  const endOthers = html`<form class="actions" method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, end: 'others' })}${submitButton(frame, texts.endOthers)}
</form>`;
  return layout(frame, {
    heading: texts.title,
    gate: 'open',
    body: html`${signedInAs(frame, view.username)}
<p class="lead">${texts.lead}</p>
${view.ended !== undefined && messageBox(texts.ended(view.ended), false)}
<ul class="sessions">
${[...mine, ...others].map((entry) => sessionItem(frame, view, entry))}</ul>
${others.length > 0 ? endOthers : html`<p class="aside">${texts.onlyThis}</p>`}
<p class="aside links"><a href="${view.backHref}">${texts.back}</a> <a href="${view.accountHref}">${frame.texts.account.title}</a> <a href="${view.logoutHref}">${frame.texts.logout.submit}</a></p>`,
  });
}

function sessionItem(frame: Frame, view: SessionsView, entry: SessionEntry): Html {
  const texts = frame.texts.sessions;
  const device = deviceName(frame, entry.userAgent);
  const end = html`<form method="post" action="${view.action}">
${hiddenFields({ ...view.hidden, end: entry.id })}<button class="button quiet small" type="submit" aria-label="${texts.endLabel(device)}">${texts.end}</button>
</form>`;
  const isNew = !entry.current && isOnNewDevice(entry, view);
  const facts = [
    [texts.lastActive, ago(frame, entry.lastSeenAt, view.now)],
    [texts.signedIn, ago(frame, entry.createdAt, view.now)],
    [texts.method, html`${entry.method}`],
    [texts.address, html`<bdi>${entry.address}</bdi>`],
  ] as const;
  return html`<li>
<div class="session-head"><h2>${device}</h2>${entry.current ? html`<span class="tag">${texts.current}</span>` : end}</div>${
    isNew &&
    html`
<p class="new-device"><span class="tag">${texts.newDevice}</span></p>`
  }
<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</li>
`;
}

const newFor = 7 * 86_400_000;

/** Whether a session began lately, on another kind of device than all that began before it. */
function isOnNewDevice(entry: SessionEntry, { sessions, now }: SessionsView): boolean {
  const older = sessions.filter(({ createdAt }) => createdAt < entry.createdAt);
  if (older.length === 0 || now - entry.createdAt > newFor) return false;
  const { browser, system } = readDevice(entry.userAgent);
  return !older.some(({ userAgent }) => {
    const known = readDevice(userAgent);
    return known.browser === browser && known.system === system;
  });
}

const steps: readonly (readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number])[] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** A time as people say it, with the exact one for machines and for the curious. */
function ago({ language }: Frame, time: number, now: number): Html {
  const seconds = Math.max(0, Math.round((now - time) / 1000));
  const [unit, length] = steps.find(([, size]) => seconds >= size) ?? (['second', 1] as const);
  const count = seconds < 60 ? 0 : Math.floor(seconds / length);
  const words = new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(-count, unit);
  const exact = new Date(time).toISOString();
  return html`<time datetime="${exact}" title="${exact}">${words}</time>`;
}
