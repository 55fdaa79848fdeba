/** Names in a configuration that lead nowhere, and which one was meant. */
import { quoted } from '../config/issue.ts';
import { nearest } from '../config/nearest.ts';

/** What is wrong with a name that leads nowhere, and which one was meant. */
export function unknownName(known: readonly string[], name: string, what: string): [message: string, hint: string] {
  const message = `names no ${what}: ${quoted(name)}`;
  const there = `there are: ${known.length > 0 ? known.join(', ') : 'none'}`;
  const words = name.split(/\s+/);
  if (words.length > 1 && words.every((word) => known.includes(word)))
    return [message, `write a comma between them: [${words.join(', ')}]`];
  const meant = nearest(name, known);
  return [message, meant === undefined ? there : `did you mean "${meant}"? ${there}`];
}
