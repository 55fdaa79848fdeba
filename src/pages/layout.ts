/** The frame of every page: head, mark and name, the picture of the gate, help and reference at the foot. */
import { referenceCode } from '../core/reference-code.ts';
import type { WordsForVisitors } from '../core/route.ts';
import { type Assets, logoName } from './assets.ts';
import { type Html, html, type Part } from './html.ts';
import { type Language, languageNames, languages } from './language.ts';
import type { OperatorText, PageOptions } from './options.ts';
import { type Gate, gatePicture, mark } from './picture.ts';
import type { Texts } from './texts/en.ts';

/** Where another language is chosen for the pages. */
export const languagePath = '/_gate/language';

/** What the pages say of the rules for passwords; how many characters there must be of each kind. */
export interface PasswordWords {
  readonly minLength: number;
  readonly compose: Readonly<Record<keyof Texts['newPassword']['kinds'], number>>;
}

/** All that a view knows besides its own data. */
export interface Frame {
  readonly texts: Texts;
  readonly language: Language;
  readonly options: PageOptions;
  readonly passwords?: PasswordWords | undefined;
  readonly assets: Assets;
}

/** What a view fills in. */
interface Content {
  readonly heading: string;
  /** Before the heading, in the window's title only: screen readers hear it first. */
  readonly titlePrefix?: string;
  readonly body: Part;
  /** The gate of the picture: open where one may enter, shut on errors. */
  readonly gate: Gate;
  /** For the operator; shown small, with the status when there is one. */
  readonly requestId?: string | undefined;
  readonly status?: number;
  /** Where one signs in, the operator's help text and contact; elsewhere the contact; nothing where the body names it. */
  readonly help?: 'sign-in' | 'contact' | 'none';
  /** `wide` where there is more to see than a form: the picture steps back. */
  readonly shape?: 'wide';
  /** A script of its own, besides that of every page. */
  readonly script?: 'keys.js';
  /** Beside the name of the site. */
  readonly bar?: Html;
  /** How one comes back after another choice of language: the page as it was left, or the login that leads to a path; `never` where it cannot be shown twice. */
  readonly again?: { readonly login: string } | 'never';
}

/** A whole document. */
export function layout(frame: Frame, content: Content): Html {
  const { options, language } = frame;
  const title = `${content.titlePrefix ?? ''}${content.heading} · ${options.siteName}`;
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="${assetHref(frame, 'icon.svg')}">
<link rel="stylesheet" href="${assetHref(frame, 'theme.css')}">
<link rel="stylesheet" href="${assetHref(frame, 'gatehouse.css')}">
<script src="${assetHref(frame, 'gatehouse.js')}" defer></script>${
    content.script !== undefined &&
    html`
<script src="${assetHref(frame, content.script)}" defer></script>`
  }
</head>
<body${content.shape === 'wide' && html` class="wide"`}>
<div class="pane">
<header class="site">${siteMark(frame)}<span class="site-name">${options.siteName}</span>${content.bar}</header>
<main>
<h1>${content.heading}</h1>
${content.body}
</main>
<footer>
${help(frame, content.help ?? 'contact')}
${content.requestId !== undefined && reference(frame, content.requestId, content.status)}
${content.again !== 'never' && languageSwitch(frame, content.again)}
</footer>
</div>
${gatePicture(content.gate)}
</body>
</html>
`;
}

/** The address of an asset with its version. */
function assetHref(frame: Frame, name: string): string {
  return frame.assets.get(name)?.href ?? '';
}

/** An operator's text in the page's language, else in whichever language there is. */
export function operatorText(frame: Frame, text: OperatorText | undefined): string | undefined {
  if (text === undefined || typeof text === 'string') return text;
  return text[frame.language] ?? text[frame.options.language] ?? Object.values(text)[0];
}

/** Words of a route in the page's language, else in whichever language there is. */
export function wordsFor(frame: Frame, words: WordsForVisitors): string {
  if (typeof words === 'string') return words;
  return words[frame.language] ?? words[frame.options.language] ?? Object.values(words)[0] ?? '';
}

/** Whom to ask, as a link where it can be one: the nearest contact that the operator named, or undefined. */
export function contact(frame: Frame, nearer?: WordsForVisitors): Html | undefined {
  const text = nearer === undefined ? operatorText(frame, frame.options.helpContact) : wordsFor(frame, nearer);
  if (text === undefined) return undefined;
  const address = /^\S+@\S+\.\S+$/.test(text)
    ? `mailto:${text}`
    : /^https?:\/\/\S+$/i.test(text)
      ? text
      : /^\+?[\d\s().-]{3,24}$/.test(text)
        ? `tel:${text.replace(/[^\d+]/g, '')}`
        : undefined;
  return address ? html`<a href="${address}">${text}</a>` : html`${text}`;
}

/** Who is signed in; the name keeps to itself, whichever way it is written. */
export function signedInAs({ texts }: Frame, username: string): Html {
  return html`<p class="who">${texts.common.signedInAs} <bdi>${username}</bdi></p>`;
}

/** Whose password it is, before anybody is signed in. */
export function signingInAs({ texts }: Frame, username: string): Html {
  return html`<p class="who">${texts.common.account} <bdi>${username}</bdi></p>`;
}

function siteMark(frame: Frame): Html {
  const { logo } = frame.options;
  return logo ? html`<img class="logo" src="${assetHref(frame, logoName(logo))}" alt="" height="40">` : mark;
}

function help(frame: Frame, kind: NonNullable<Content['help']>): Html | undefined {
  if (kind === 'none') return undefined;
  const text = kind === 'sign-in' ? operatorText(frame, frame.options.helpText) : undefined;
  const whom = contact(frame);
  if (!text && !whom) return undefined;
  return html`<p class="help">${text ?? frame.texts.common.help} ${whom}</p>`;
}

function languageSwitch({ language }: Frame, again: { readonly login: string } | undefined): Html {
  const links = languageNames
    .filter((name) => name !== language)
    .map((name) => {
      const query = new URLSearchParams({ to: name, ...again });
      return html` <a href="${`${languagePath}?${query}`}" lang="${name}" hreflang="${name}">${languages[name].common.languageName}</a>`;
    });
  return html`<p class="languages">${links}</p>`;
}

function reference(frame: Frame, requestId: string, status: number | undefined): Html {
  const { reference: label, referenceHint } = frame.texts.common;
  return html`<p class="reference" title="${referenceHint}">${label} <code>${referenceCode(requestId)}</code>${status !== undefined && html` <span aria-hidden="true">·</span> ${status}`}</p>`;
}
