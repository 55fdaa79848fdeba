/** Which language a page speaks: the best of ours for an Accept-Language header. */
import type { Texts } from './texts/en.ts';
import { en } from './texts/en.ts';
import { fr } from './texts/fr.ts';

/** The languages there are texts for; a language is a file in `texts/` and a line here. */
export const languages = { en, fr } as const satisfies Record<string, Texts>;

/** A language there are texts for. */
export type Language = keyof typeof languages;

/** The names of all languages, for schemas and checks. */
export const languageNames = ['en', 'fr'] as const satisfies readonly Language[];

/** Longer headers are not read: no browser sends one. */
const maxLength = 1000;

/**
 * The language a client likes best, by RFC 9110 §12.5.4: highest quality first, then the order it was written in.
 *
 * `fr-CA` is served by `fr`; quality 0 rules a language out; `*` stands for whatever was not named.
 */
export function preferredLanguage(acceptLanguage: string | undefined, fallback: Language = 'en'): Language {
  if (!acceptLanguage || acceptLanguage.length > maxLength) return fallback;
  const wishes = acceptLanguage.split(',').map(readWish);
  const named = new Set(wishes.map((wish) => wish.language));
  const ranked = wishes.filter((wish) => wish.quality > 0).toSorted((a, b) => b.quality - a.quality);
  for (const { language } of ranked) {
    const found = language === '*' ? unnamed(named, fallback) : languageNames.find((name) => name === language);
    if (found) return found;
  }
  return fallback;
}

function readWish(text: string): { language: string; quality: number } {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const quality = weight === undefined ? 1 : /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(weight) ? Number(weight) : 0;
  return { language: range.split('-', 1)[0] ?? '', quality };
}

function unnamed(named: ReadonlySet<string>, fallback: Language): Language | undefined {
  return [fallback, ...languageNames].find((name) => !named.has(name));
}
