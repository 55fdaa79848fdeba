/**
 * Matches a location's regular expression in a bounded time: JavaScript does it where that is quick, and a machine of our own
 * reads the texts on which JavaScript could take long. Both find the same.
 */

import { machineOf } from '../core/regex-machine.ts';
import { maxPath } from './path.ts';
import { quickUpTo } from './regex-safety.ts';

/** What says whether a text has a match. */
export type RegexMatcher = Pick<RegExp, 'test'>;

/** The matcher of a pattern; throws a SyntaxError where JavaScript does not read it. */
export function regexMatcher(source: string, isInsensitive: boolean): RegexMatcher {
  const pattern = new RegExp(source, isInsensitive ? 'iu' : 'u');
  const longest = quickUpTo(source, isInsensitive);
  if (longest > maxPath) return pattern;
  // Made when it is asked for: most sites never see such a text.
  let machine: RegexMatcher | undefined;
  return {
    test: (text) => {
      if (text.length <= longest) return pattern.test(text);
      machine ??= machineOf(source, isInsensitive) ?? pattern;
      return machine.test(text);
    },
  };
}
