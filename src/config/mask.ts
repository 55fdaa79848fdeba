/**
 * Keeps secrets out of messages: which keys hold one, how a value may be named, and what of a source line may be shown.
 * When in doubt a value is masked.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, type Pair } from 'yaml';
import type { KeyPath } from './issue.ts';
import { quoted } from './issue.ts';
import { alternatives, definitionOf, inputOf, isMapping, type Schema, schemasUnder, valueAt } from './schema.ts';

const secretName =
  /pass(?!ive)|pas+w|pwd|secret|credential|token|private|api-?_?key|authorization|cookie|bearer|pepper|seed/i;

/** True when a key's name says that its value is secret, whatever the schema thinks. */
export function namesSecret(key: string | number): boolean {
  return typeof key === 'string' && secretName.test(key);
}

/** True when a schema takes a secret. */
export function takesSecret(schema: Schema): boolean {
  return inputOf(schema).isSecret || alternatives(schema).some((branch) => inputOf(branch).isSecret);
}

/** True when the value at a path may not be shown, by the names of its keys or by the schemas that are asked for it. */
export function isSecretPath(schema: Schema, document: unknown, path: KeyPath): boolean {
  let schemas = [schema];
  let value = document;
  for (const step of path) {
    if (namesSecret(step)) return true;
    schemas = schemas.flatMap((candidate) => schemasUnder(candidate, value, step));
    if (schemas.some(takesSecret)) return true;
    value = valueAt(value, [step]);
  }
  return false;
}

/** A value as a message may name it: secrets and large things by their type only. */
export function describeValue(value: unknown, isSecret: boolean): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'empty';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty mapping' : 'a mapping';
  if (typeof value === 'string') {
    if (value === '') return 'empty text';
    return isSecret || /-----BEGIN/.test(value) ? 'text' : quoted(hidePasswords(value));
  }
  if (isSecret) return typeof value === 'number' ? 'a number' : 'true or false';
  return typeof value === 'number' ? `the number ${value}` : String(value);
}

/** Takes the password out of addresses such as `redis://:password@host`, also one with a slash that nobody has escaped. */
function hidePasswords(text: string): string {
  return text.replace(/(:\/\/)\S*@/g, '$1…@');
}

/** A stretch of text that must not be shown. */
export type Masked = readonly [from: number, to: number];

/**
 * The stretches of a parsed text that must not be shown: values under secret names, values that the schema calls secret,
 * values that it does not know, and addresses with a password.
 */
export function maskedRanges(root: Document, data: unknown, schema: Schema): Masked[] {
  const ranges: Masked[] = [];
  const hide = (node: unknown, isSecret: boolean) => {
    if (!isScalar(node) || !node.range) return;
    const text = String(node.value);
    if (isSecret || hidePasswords(text) !== text || /-----BEGIN/.test(text))
      ranges.push([node.range[0], node.range[1]]);
  };
  const walk = (node: unknown, value: unknown, schemas: readonly Schema[], isSecret: boolean): void => {
    const under = (child: unknown, step: string | number) => {
      const known = schemas.flatMap((candidate) => schemasUnder(candidate, value, step));
      const isUnknown = known.length === 0 && !schemas.some((candidate) => isOpen(candidate));
      // The name of a variable or of a file is what an operator must see; the secret is not in it.
      const isReference = isSecret && isMapping(value) && (step === 'env' || step === 'file');
      const isHidden = !isReference && (isSecret || isUnknown || namesSecret(step) || known.some(takesSecret));
      walk(child, valueAt(value, [step]), known, isHidden);
    };
    if (isMap(node)) for (const pair of node.items) under(pair.value, keyOf(pair));
    else if (isSeq(node)) for (const [index, item] of node.items.entries()) under(item, index);
    else if (!isAlias(node)) hide(node, isSecret);
  };
  walk(root.contents, data, [schema], false);
  return ranges;
}

function isOpen(schema: Schema): boolean {
  return alternatives(schema).some((branch) => ['any', 'unknown'].includes(definitionOf(branch).type));
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : '';
}

/**
 * The same for a text that YAML could not make sense of: by lines. Below a key with a secret name everything that is
 * indented deeper is hidden, since where a broken value ends nobody knows.
 */
export function maskedLines(lines: readonly string[], offsetOf: (line: number) => number): Masked[] {
  const ranges: Masked[] = [];
  let secretIndent: number | undefined;
  for (const [index, line] of lines.entries()) {
    const start = offsetOf(index + 1);
    const indent = line.search(/\S|$/);
    if (secretIndent !== undefined && (indent > secretIndent || line.trim() === '')) {
      ranges.push([start + indent, start + line.length]);
      continue;
    }
    secretIndent = undefined;
    const name = /[\w-]+(?=["']?\s*(?::|$))/g;
    for (const match of line.matchAll(name)) {
      if (!namesSecret(match[0])) continue;
      const after = match.index + match[0].length;
      ranges.push([start + after + (/^["']?\s*:\s*/.exec(line.slice(after))?.[0].length ?? 0), start + line.length]);
      secretIndent = indent;
      break;
    }
    for (const match of line.matchAll(/:\/\/\S*@/g))
      ranges.push([start + match.index + 3, start + match.index + match[0].length]);
  }
  return ranges;
}
