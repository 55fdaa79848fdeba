/** Remembers in a cookie which language somebody has chosen for the pages of a browser. */
import type { HeaderLines } from '../core/request-head.ts';
import { setCookie } from '../core/set-cookie.ts';
import { type Language, languageNames } from '../pages/language.ts';
import { readCookie } from '../sessions/cookie.ts';

const name = 'gatehouse-language';
const seconds = 365 * 24 * 3600;

/** The one that a browser's cookie says; undefined where nobody has chosen one of ours. */
export function chosenLanguage(headers: HeaderLines): Language | undefined {
  return namedLanguage(readCookie(headers.all('cookie'), name));
}

/** A `Set-Cookie` value that remembers a choice; undefined where the word is no language of ours. */
export function languageCookie(publicUrl: URL, word: string | undefined): string | undefined {
  const language = namedLanguage(word);
  return language && setCookie(publicUrl, name, language, { maxAgeSeconds: seconds });
}

function namedLanguage(word: string | undefined): Language | undefined {
  return languageNames.find((known) => known === word);
}
