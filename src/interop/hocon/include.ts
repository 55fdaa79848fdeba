/** `include` of a HOCON text, in each of its spellings. An address is refused here: nothing is ever fetched. */
import { type HoconPlace, type HoconToken, hoconError } from './tokens.ts';

/** An include as written. */
export interface HoconInclude {
  readonly at: HoconPlace;
  readonly name: string;
  readonly isRequired: boolean;
  readonly isInClasspath: boolean;
  /** The index of the word after it. */
  readonly end: number;
}

/** The include that begins at a word; undefined when the word is a key, such as `include = 1`. */
export function includeAt(tokens: readonly HoconToken[], index: number): HoconInclude | undefined {
  const [at, space, next] = tokens.slice(index, index + 3);
  const isInclude = at?.kind === 'text' && at.text === 'include' && space?.kind === 'space';
  if (!isInclude || (next?.kind !== 'quoted' && next?.kind !== 'text')) return undefined;
  let end = index + 1;
  let before = '';
  while (tokens[end]?.kind === 'text' || tokens[end]?.kind === 'space') before += (tokens[end++]?.text ?? '').trim();
  const name = tokens[end];
  if (name?.kind !== 'quoted')
    throw hoconError(at, 'a file name in quotes must stand after include', 'write include "FILE"');
  end += 1;
  const call = /^(required\()?(?:(file|classpath|url)\()?$/.exec(before);
  if (!call) throw hoconError(at, 'this kind of include is nothing that HOCON knows', 'write include "FILE"');
  let open = before.split('(').length - 1;
  while (open > 0 && (tokens[end]?.kind === 'space' || /^\)+$/.test(tokens[end]?.text ?? '')))
    open -= (tokens[end++]?.text ?? '').trim().length;
  if (open !== 0) throw hoconError(at, 'the brackets of this include do not close', 'close them with )');
  const [, required, how] = call;
  if (how === 'url' || /^[a-z][a-z0-9+.-]+:/i.test(name.text))
    throw hoconError(
      at,
      'include of an address is refused: nothing is fetched',
      'copy what it holds into this file, or beside it as a file',
    );
  return { at, name: name.text, isRequired: required !== undefined, isInClasspath: how === 'classpath', end };
}
