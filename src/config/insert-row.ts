/** Puts one row into a mapping of a configuration, where the text is: comments, order and everything else stay as they are. */
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';

/** A row: the keys that lead to its mapping, its own key, and its value on one line. */
export interface NewRow {
  readonly into: readonly string[];
  readonly key: string;
  readonly value: string;
}

/** The text with the row; undefined where there is no place for it that is certain. */
export function insertRow(text: string, { into, key, value }: NewRow): string | undefined {
  const { contents, errors } = parseDocument(text, { uniqueKeys: true, stringKeys: true });
  if (errors.length > 0 || !isMap(contents) || contents.flow) return undefined;
  let map: YAMLMap = contents;
  for (const [depth, name] of into.entries()) {
    const pair = pairOf(map, name);
    const isLast = depth === into.length - 1;
    if (!pair) return isLast && depth === 0 ? atEnd(text, name, key, value) : undefined;
    if (isMap(pair.value) && pair.value.items.length > 0) {
      map = pair.value;
      continue;
    }
    return isLast ? intoEmpty(text, pair, key, value) : undefined;
  }
  return pairOf(map, key) ? undefined : intoMap(text, map, key, value);
}

function pairOf(map: YAMLMap, name: string): Pair | undefined {
  return map.items.find(({ key }) => isScalar(key) && key.value === name);
}

function intoMap(text: string, map: YAMLMap, key: string, value: string): string | undefined {
  const last = map.items.at(-1);
  const end = rangeOf(last?.value)?.[1] ?? rangeOf(last?.key)?.[1];
  const start = rangeOf(map.items[0]?.key)?.[0];
  if (end === undefined || start === undefined) return undefined;
  if (map.flow) return `${text.slice(0, end)}, ${key}: ${value}${text.slice(end)}`;
  const indent = text.slice(text.lastIndexOf('\n', start - 1) + 1, start);
  // After the line in which the last value ends: a comment beside it stays with it.
  return /^ *$/.test(indent) ? insertLine(text, end, `${indent}${key}: ${value}`) : undefined;
}

/** `peers:` or `peers: {}`. */
function intoEmpty(text: string, pair: Pair, key: string, value: string): string | undefined {
  const name = rangeOf(pair.key);
  if (!name) return undefined;
  const indent = ' '.repeat(name[0] - text.lastIndexOf('\n', name[0] - 1) - 1 + 2);
  const range = rangeOf(pair.value);
  const braces = range && /^\{\s*\}$/.test(text.slice(range[0], range[1])) ? range : undefined;
  if (!braces && range && range[1] > range[0]) return undefined;
  const plain = braces ? `${text.slice(0, braces[0]).trimEnd()}${text.slice(braces[1])}` : text;
  return insertLine(plain, name[1], `${indent}${key}: ${value}`);
}

function atEnd(text: string, name: string, key: string, value: string): string {
  return `${text.replace(/\s*$/, '\n')}\n${name}:\n  ${key}: ${value}\n`;
}

function insertLine(text: string, after: number, line: string): string {
  // A block that ends a file may end with its line.
  const at = text[after - 1] === '\n' ? after - 1 : text.indexOf('\n', after);
  return at < 0 ? `${text}\n${line}\n` : `${text.slice(0, at)}\n${line}${text.slice(at)}`;
}

function rangeOf(node: unknown): readonly [number, number, number] | undefined {
  return (node as { range?: [number, number, number] } | null | undefined)?.range ?? undefined;
}
