/** Words of the operator in the language of whoever reads them. */
import type { WordsForVisitors } from '../core/route.ts';

/** The text of a language; where there is none, the English one, or the first. */
export function wordsIn(words: WordsForVisitors | undefined, language: string): string | undefined {
  if (words === undefined || typeof words === 'string') return words;
  return words[language] ?? words.en ?? Object.values(words)[0];
}
