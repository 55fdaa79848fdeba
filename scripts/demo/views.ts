/** The pages that every application of the demo has: a frame, what it knows of its user, live figures, a form. */
import { type Html, html } from '../../src/pages/html.ts';
import { type App, apps } from './apps.ts';
import type { AssertionCheck, Identity } from './identity.ts';

/** The whole document around a page of an application. */
export function frame(app: App, identity: Identity, title: string, body: Html): string {
  const home = app.path || '/';
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title} · ${app.name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${`${app.path}/assets/demo.css`}">
<script src="${`${app.path}/assets/demo.js`}" defer></script>
</head>
<body class="app-${app.id}">
<header>
<a class="brand" href="${home}">${app.name}</a>
<nav aria-label="${app.name}">${tabs(app).map(([href, text]) => html`<a href="${href}">${text}</a>`)}</nav>
<p class="user">${identity.user === undefined ? html`<a href="/_gate/login?return=/">sign in</a>` : html`<b>${identity.name ?? identity.user}</b> <a href="/_gate/session">sessions</a> <a href="/_gate/logout">sign out</a>`}</p>
</header>
<main>
<h1>${title}</h1>
${body}
</main>
<footer><nav aria-label="Applications">${apps.map((other) => html`<a href="${other.path || '/'}">${other.name}</a>`)}</nav></footer>
</body>
</html>
`.toString();
}

function tabs({ path }: App): readonly (readonly [href: string, text: string])[] {
  return [
    [path || '/', 'Overview'],
    [`${path}/live`, 'Live'],
    [`${path}/form`, 'Form'],
    [`${path}/trouble`, 'Trouble'],
  ];
}

/** What the application was told about its user, header by header. */
export function identityPanel(identity: Identity): Html {
  return html`<section class="identity">
<h2>What this application was told</h2>
${assertionLine(identity.assertion)}
<dl>${identity.headers.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
${identity.headers.length === 0 && html`<p>No header of the gateway came along: this page was opened behind its back.</p>`}
${
  identity.assertion.kind === 'verified' &&
  html`<h3>Claims of the assertion</h3>
<dl>${Object.entries(identity.assertion.claims).map(([name, value]) => html`<dt>${name}</dt><dd>${claimText(name, value)}</dd>`)}</dl>`
}
</section>`;
}

function assertionLine(check: AssertionCheck): Html {
  if (check.kind === 'verified')
    return html`<p class="verdict good">The signed assertion is verified (${check.algorithm}, against the gateway’s published keys).</p>`;
  if (check.kind === 'refused') return html`<p class="verdict bad">The signed assertion is refused. ${check.why}</p>`;
  return html`<p class="verdict">No user and no assertion came along: the gateway adds neither where a location is open to all.</p>`;
}

function claimText(name: string, value: unknown): string {
  if (/^(?:exp|iat|nbf)$/.test(name) && typeof value === 'number')
    return `${value} (${new Date(value * 1000).toISOString().slice(11, 19)} UTC)`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Queues over a WebSocket, news over an event stream. Both end with the session. */
export function livePage(app: App): Html {
  return html`<p>Sign out in another tab: both of these end within two seconds, and neither comes back.</p>
<section>
<h2>Queues <small id="socket-state" role="status">WebSocket: connecting…</small></h2>
<table><thead><tr><th scope="col">Queue</th><th scope="col">Waiting</th><th scope="col">Longest wait</th><th scope="col">Ready</th><th scope="col">Talking</th></tr></thead><tbody id="queues" data-socket="${app.path}/ws"></tbody></table>
<form id="echo-form" class="row"><label for="echo">Say something over the socket</label><input id="echo" autocomplete="off"><button>Send</button></form>
<p id="echoed" role="status"></p>
</section>
<section>
<h2>News from the floor <small id="stream-state" role="status">Event stream: connecting…</small></h2>
<ol id="news" data-stream="${app.path}/stream" reversed></ol>
</section>`;
}

/** A form, and what came of it. */
export function formPage(app: App, received?: readonly (readonly [string, string])[]): Html {
  return html`${
    received &&
    html`<section class="identity"><p class="verdict good">The form arrived.</p>
<dl>${received.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl></section>`
  }
<form method="post" action="${`${app.path}/form`}">
<p><label for="subject">Subject</label><input id="subject" name="subject" required maxlength="200"></p>
<p><label for="note">Note on the call</label><textarea id="note" name="note" rows="4"></textarea></p>
<p><button>Save</button></p>
</form>`;
}

/** Links to answers that go wrong, as applications do. */
export function troublePage({ path }: App): Html {
  const links = [
    ['forbidden', 'The application itself says 403'],
    ['broken', 'The application breaks with 500'],
    ['cut', 'The application hangs up without an answer'],
    ['slow', 'The application takes ten seconds'],
    ['redirect', 'The application redirects to its own address, which the gateway puts right'],
    ['download', 'A download that takes a minute, and ends with the session'],
  ] as const;
  return html`<ul>${links.map(([to, text]) => html`<li><a href="${`${path}/${to}`}">${text}</a></li>`)}</ul>`;
}
