/** Keys that stand twice in one mapping: what to say of them, and how to read on as if they stood once. */
import { type Document, isMap, isPair, isScalar, isSeq, type Pair, visit, type YAMLMap } from 'yaml';
import type { Source, Span } from './source.ts';

/** A key that repeats another, where it stands and what to say. */
interface Twin {
  readonly message: string;
  readonly hint: string;
  readonly span: Span;
  /** True for one of several that follow from a dash that is missing above them: the first has said so. */
  readonly isConsequence: boolean;
}

/** Says what stands twice at an offset: the key itself, or the item of a list that begins there without its dash. */
export function twinAt(root: Document, source: Source, offset: number): Twin | undefined {
  let found: { map: YAMLMap; pair: Pair; isItem: boolean } | undefined;
  visit(root, {
    Map: (_, map, above) => {
      const pair = map.items.find((item) => startOf(item) === offset);
      if (!pair) return undefined;
      found = { map, pair, isItem: isSeq(above.at(-1)) };
      return visit.BREAK;
    },
  });
  if (!found) return undefined;
  const { map, pair, isItem } = found;
  const name = keyText(pair);
  const { line } = source.span(startOf(map.items.find((item) => keyText(item) === name)));
  const span = source.span(offset, offset + name.length);
  const head = isItem && !map.flow ? headOfNext(map) : undefined;
  if (head === undefined || map.items.indexOf(pair) < map.items.indexOf(head))
    return {
      message: `stands twice in the same mapping, first on line ${line}`,
      hint: isMap(pair.value) ? 'put what both hold under one of them' : 'keep one of the two',
      span,
      isConsequence: false,
    };
  return {
    message: `stands twice in the same item of the list, first on line ${line}: a dash is missing`,
    hint: 'begin each item with "- " in front of its first key',
    span,
    isConsequence: pair !== head,
  };
}

/**
 * Where an item of a list is two, the second without its dash, the key that begins the second: the first key of all, come
 * again; or, where a whole line with dash and key is gone, the first of several that come again one behind the other.
 */
function headOfNext({ items }: YAMLMap): Pair | undefined {
  const names = items.map(keyText);
  const repeats = items.filter((_, index) => names.indexOf(names[index] ?? '') < index);
  const [first] = repeats;
  if (!first) return undefined;
  if (keyText(first) === names[0]) return first;
  const next = items[items.indexOf(first) + 1];
  return next && repeats.includes(next) ? first : undefined;
}

/**
 * Puts keys that stand twice together: mappings and lists hold what both hold, of other values the last counts. What is
 * checked afterwards then misses nothing that one of the two says, and each part keeps its place.
 */
export function joinTwins(root: Document): void {
  visit(root, {
    Map: (_, map) => {
      const first = new Map<string, Pair>();
      map.items = map.items.filter((pair) => {
        const name = keyText(pair);
        const twin = first.get(name);
        if (!twin) first.set(name, pair);
        else if (isMap(twin.value) && isMap(pair.value)) twin.value.items.push(...pair.value.items);
        else if (isSeq(twin.value) && isSeq(pair.value)) twin.value.items.push(...pair.value.items);
        else Object.assign(twin, { key: pair.key, value: pair.value });
        return !twin;
      });
    },
  });
}

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

function startOf(item: Pair | undefined): number {
  return isPair(item) && isScalar(item.key) ? (item.key.range?.[0] ?? 0) : 0;
}
