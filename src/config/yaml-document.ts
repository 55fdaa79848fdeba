/** Parses YAML into plain data, and knows at which place of the text each key and value stands. */
import {
  type Alias,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import type { KeyPath } from './issue.ts';
import type { Flaw, Source, Span } from './source.ts';
import { yamlFlaw } from './yaml-errors.ts';
import { joinTwins, twinAt } from './yaml-twins.ts';

/** Something wrong with the YAML, with the keys that lead to it. */
export interface YamlFlaw extends Flaw {
  readonly path: KeyPath;
  readonly span: Span;
  /** False: the rest of the document can be relied on all the same. */
  readonly isFatal: boolean;
  /** True: the value at `path` was not read as it was written. */
  readonly isMisread: boolean;
}

/** A parsed text: its data and the places of its parts. */
export interface YamlDocument {
  readonly data: unknown;
  readonly flaws: readonly YamlFlaw[];
  readonly root: Document;
  /** The place of a key itself, or of a list item. */
  keySpan(path: KeyPath): Span | undefined;
  /** The place of a value; of its key where the value is empty or begins on a later line. */
  valueSpan(path: KeyPath): Span | undefined;
  /** Whether a mapping or list stands in braces or brackets. */
  isFlow(path: KeyPath): boolean;
}

/** How often the parts behind anchors may be repeated, all in all. */
const maxAliases = 100;

/** After one slip YAML often complains about each line that follows. */
const maxFlaws = 20;

/** Flaws after which what was read is still what was meant. */
const harmless = new Set(['DUPLICATE_KEY', 'TAG_RESOLVE_FAILED', 'BAD_DQ_ESCAPE', 'BAD_SCALAR_START']);

/** Parses a text. Never throws; what is wrong is in `flaws`, and `data` is undefined when nothing came of it. */
export function parseYaml(source: Source): YamlDocument {
  const root = parseDocument(source.text, {
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'error',
  });
  const errors: readonly YAMLError[] = [...root.errors, ...root.warnings];
  const exhausted = errors.filter(({ code }) => code === 'RESOURCE_EXHAUSTION').slice(0, 1);
  const told = exhausted.length > 0 ? exhausted : errors.slice(0, maxFlaws);
  const flaws: YamlFlaw[] = told.flatMap((error) => {
    const { span = source.span(error.pos[0]), ...flaw } = yamlFlaw(error, root, source);
    const isOutside = error.code === 'MULTIPLE_DOCS';
    const path = isOutside ? [] : pathTo(root, source.offsetOf(span.line) + span.column - 1);
    const isTwin = error.code === 'DUPLICATE_KEY';
    const twin = isTwin ? twinAt(root, source, error.pos[0]) : undefined;
    if (twin?.isConsequence) return [];
    const words = twin && { message: twin.message, hint: twin.hint, span: twin.span };
    return { ...flaw, span, path, isFatal: !harmless.has(error.code), isMisread: !isTwin, ...words };
  });
  joinTwins(root);
  if (flaws.every((flaw) => !flaw.isFatal)) flaws.push(...badReferences(root, source));
  let data: unknown;
  try {
    if (flaws.every((flaw) => !flaw.isFatal)) data = root.toJS({ maxAliasCount: maxAliases });
  } catch {
    flaws.push({ ...tooManyAliases, path: [], span: firstAlias(root, source), isFatal: true, isMisread: true });
  }
  return {
    data,
    flaws,
    root,
    keySpan: (path) => spanOf(root, source, path, 'key'),
    valueSpan: (path) => spanOf(root, source, path, 'value'),
    isFlow: (path) => {
      const node = path.length === 0 ? root.contents : root.getIn(path, true);
      return isCollection(node) && node.flow === true;
    },
  };
}

const tooManyAliases = {
  message: `aliases (*name) repeat their anchors more than ${maxAliases} times`,
  hint: 'write the values out, or repeat less',
};

/** Aliases without an anchor, aliases inside what they repeat, and keys that JavaScript objects cannot hold safely. */
function badReferences(root: Document, source: Source): YamlFlaw[] {
  const flaws: YamlFlaw[] = [];
  const add = (node: Node, flaw: Omit<Flaw, 'span'>) => {
    const [start, end] = node.range ?? [0, 1];
    flaws.push({ ...flaw, path: pathTo(root, start), span: source.span(start, end), isFatal: true, isMisread: true });
  };
  visit(root, {
    Alias: (_, alias) => {
      const anchored = alias.resolve(root);
      if (!anchored)
        add(alias, {
          message: 'no anchor of this name stands above',
          hint: 'if it is meant as text, put the value in quotes',
        });
      else if (surrounds(anchored, alias))
        add(alias, { message: 'an alias stands inside what it repeats', hint: 'write the value out' });
    },
    Pair: (_, { key }) => {
      if (!isScalar(key)) return;
      if (String(key.value) === '__proto__')
        add(key, { message: 'this name may not be used as a key', hint: 'choose another name' });
      if (key.value === '<<')
        add(key, { message: 'merging mappings (<<) is not a part of YAML 1.2', hint: 'write the keys out' });
    },
  });
  return flaws;
}

function surrounds(outer: Node, inner: Alias): boolean {
  const at = inner.range?.[0] ?? -1;
  return outer.range ? outer.range[0] <= at && at < outer.range[1] : false;
}

function firstAlias(root: Document, source: Source): Span {
  let at = 0;
  visit(root, {
    Alias: (_, alias) => {
      at = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return source.span(at);
}

/** The keys that lead to an offset of the text. In a broken text anything can pass for a key: only single words count. */
function pathTo(root: Document, offset: number): KeyPath {
  const path: (string | number)[] = [];
  let node: unknown = root.contents;
  for (;;) {
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.findLast((item) => startOf(item.key) <= offset);
      if (!pair || endOf(pair) < offset) return path;
      if (!isScalar(pair.key) || !/^\S{1,64}$/.test(keyText(pair))) return path;
      path.push(keyText(pair));
      node = pair.value;
    } else if (isSeq(node)) {
      const index = node.items.findLastIndex((item) => startOf(isPair(item) ? item.key : item) <= offset);
      if (index === -1 || endOf(node.items[index]) < offset) return path;
      path.push(index);
      node = node.items[index];
    } else return path;
  }
}

function startOf(node: unknown): number {
  return (node as Node | null | undefined)?.range?.[0] ?? Number.POSITIVE_INFINITY;
}

function endOf(item: unknown): number {
  const node = isPair(item) ? (item.value ?? item.key) : item;
  return (node as Node | null | undefined)?.range?.[2] ?? -1;
}

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

function spanOf(root: Document, source: Source, path: KeyPath, part: 'key' | 'value'): Span | undefined {
  let key: unknown;
  let node: unknown = root.contents;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(root);
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.findLast((item) => keyText(item) === String(step));
      if (!pair) return undefined;
      key = pair.key;
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number' && step < node.items.length) {
      node = node.items[step];
      key = node;
    } else return undefined;
  }
  const spans = [key, node].map((at) => {
    const range = (at as Node | null | undefined)?.range;
    return range ? { ...source.span(range[0], range[1]), isEmpty: range[0] === range[1] } : undefined;
  });
  const [keySpan, valueSpan] = spans;
  const isValue = part === 'value' && valueSpan && !valueSpan.isEmpty && (!keySpan || valueSpan.line === keySpan.line);
  const chosen = isValue ? valueSpan : (keySpan ?? valueSpan);
  return chosen && { line: chosen.line, column: chosen.column, length: chosen.length };
}
