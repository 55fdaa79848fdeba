/** The start page: the applications that somebody may open, who that is, and the ways to account, sessions and out. */
import type { WordsForVisitors } from '../core/route.ts';
import { type Html, html } from './html.ts';
import { icon } from './icons.ts';
import { contact, type Frame, layout, wordsFor } from './layout.ts';

/** One application. */
interface StartTile {
  readonly label: WordsForVisitors;
  readonly icon?: string;
  readonly group?: WordsForVisitors;
  readonly href: string;
}

/** Shown to somebody who is signed in. */
export interface StartView {
  readonly kind: 'start';
  readonly username: string;
  /** The person's own name, where it is known. */
  readonly name?: string | undefined;
  readonly tiles: readonly StartTile[];
  readonly accountHref?: string | undefined;
  readonly sessionsHref: string;
  readonly logoutHref: string;
}

/** The page. */
export function startPage(frame: Frame, view: StartView): Html {
  const { start } = frame.texts;
  const groups = groupsOf(frame, view.tiles);
  return layout(frame, {
    heading: start.title,
    gate: 'open',
    shape: 'wide',
    bar: personBar(frame, view),
    ...(groups.length === 0 && { help: 'none' as const }),
    body: groups.length === 0 ? nothing(frame) : groups.map(group),
  });
}

interface Group {
  readonly name: string | undefined;
  readonly tiles: readonly { readonly label: string; readonly icon: string | undefined; readonly href: string }[];
}

/** Tiles without a group come first, and groups as the first of their tiles does. */
function groupsOf(frame: Frame, tiles: readonly StartTile[]): Group[] {
  const groups = new Map<string | undefined, Group['tiles'][number][]>();
  if (tiles.some((tile) => tile.group === undefined)) groups.set(undefined, []);
  for (const tile of tiles) {
    const name = tile.group === undefined ? undefined : wordsFor(frame, tile.group);
    const members = groups.get(name) ?? [];
    groups.set(name, members);
    members.push({ label: wordsFor(frame, tile.label), icon: tile.icon, href: tile.href });
  }
  return [...groups].map(([name, members]) => ({ name, tiles: members }));
}

function group({ name, tiles }: Group): Html {
  return html`<section class="group">
${name !== undefined && html`<h2>${name}</h2>`}
<ul class="tiles">
${tiles.map(
  ({
    label,
    icon: named,
    href,
  }) => html`<li><a class="tile" href="${href}"><span class="tile-icon">${icon(named) ?? initial(label)}</span><span class="tile-label">${label}</span></a></li>
`,
)}</ul>
</section>
`;
}

/** The first letter as people see it, which may be several code points. */
function initial(label: string): Html {
  const [first] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(label);
  return html`<span class="initial" aria-hidden="true">${(first?.segment ?? '').toLocaleUpperCase()}</span>`;
}

/** Who is signed in, and what one does about that; beside the name of the site. */
function personBar(frame: Frame, { name, username, accountHref, sessionsHref, logoutHref }: StartView): Html {
  const { start, logout, sessions, common } = frame.texts;
  return html`<nav class="person" aria-label="${start.you}">
<p class="who"><span class="unseen">${common.signedInAs} </span><bdi>${name ?? username}</bdi>${name !== undefined && name !== username && html` <bdi class="login-name">${username}</bdi>`}</p>
${accountHref !== undefined && html`<a href="${accountHref}">${start.account}</a>`}
<a href="${sessionsHref}">${sessions.title}</a>
<a class="button quiet small sign-out" href="${logoutHref}">${logout.submit}</a>
</nav>`;
}

function nothing(frame: Frame): Html {
  const { start, denied } = frame.texts;
  const [before, after] = denied.ask;
  return html`<div class="nothing"><p class="lead">${start.nothing}</p>
<p>${before}${contact(frame) ?? denied.defaultContact}${after}</p></div>`;
}
