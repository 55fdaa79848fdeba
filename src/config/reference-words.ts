/** The words of the reference's cells: what a key takes, and what stands there when it is left out. */
import { stringify } from 'yaml';
import { quoted } from './issue.ts';
import {
  type Definition,
  definitionOf,
  discriminatorValues,
  type Input,
  inputOf,
  isMapping,
  type Schema,
} from './schema.ts';

/** What a key takes, in a few words of Markdown. */
export function typeWords(schema: Schema): string {
  const { definition, title } = inputOf(schema);
  if (title) return title;
  switch (definition.type) {
    case 'string':
      return 'text';
    case 'number':
      return numberWords(definition);
    case 'boolean':
      return '`true` or `false`';
    case 'literal':
      return anyOf(definition.values.map(code));
    case 'enum':
      return anyOf(Object.values(definition.entries).map(code));
    case 'array':
      return `list of ${plural(typeWords(definition.element))}`;
    case 'object':
      return 'mapping';
    case 'record':
      return `mapping of names to ${plural(typeWords(definition.valueType))}`;
    case 'union':
      return unionWords(
        definition.options,
        'discriminator' in definition ? String(definition.discriminator) : undefined,
      );
    default:
      return 'any value';
  }
}

function unionWords(options: readonly Schema[], discriminator: string | undefined): string {
  if (discriminator !== undefined) {
    const types = options.flatMap((option) => discriminatorValues(option, discriminator)).map((type) => `\`${type}\``);
    return `mapping with \`${discriminator}\` ${anyOf(types)}`;
  }
  const single = options.flatMap(branchesOf);
  const words = single.map(typeWords);
  const isListOfThem = (option: Schema) => {
    const { definition } = inputOf(option);
    return definition.type === 'array' && words.includes(typeWords(definition.element));
  };
  return anyOf([...new Set(single.map((option) => (isListOfThem(option) ? 'a list of them' : typeWords(option))))]);
}

/** The branches of a union inside a union are its own, unless it has a name or tells them apart by a type. */
function branchesOf(option: Schema): readonly Schema[] {
  const { definition, title } = inputOf(option);
  const isPlain = definition.type === 'union' && !title && !('discriminator' in definition);
  return isPlain ? definition.options.flatMap(branchesOf) : [option];
}

function code(value: unknown): string {
  return `\`${value === '' ? '""' : String(value)}\``;
}

function anyOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function plural(words: string): string {
  const [first = '', ...rest] = words.split(' with ');
  const many = /^(text|any value)$|[`,]|\bor\b|^(list|mapping) of/.test(first)
    ? first
    : first.replace(/s$/, 'se').concat('s');
  return [many, ...rest].join(' with ');
}

function numberWords(definition: Extract<Definition, { type: 'number' }>): string {
  const limits = (definition.checks ?? []).flatMap((check) => {
    const bound = check._zod.def;
    if (!('value' in bound)) return [];
    const isIncluded = 'inclusive' in bound && bound.inclusive === true;
    if (bound.check === 'greater_than') return [`${isIncluded ? 'at least' : 'more than'} ${bound.value}`];
    return bound.check === 'less_than' ? [`${isIncluded ? 'at most' : 'less than'} ${bound.value}`] : [];
  });
  const noun = 'format' in definition && String(definition.format).includes('int') ? 'whole number' : 'number';
  return [noun, ...limits].join(', ');
}

/** What stands there when the key is left out, in Markdown; empty where that is nothing. */
export function fallbackWords({ fallback, isOptional, definition }: Input): string {
  if (!isOptional) return '**required**';
  if (fallback === undefined) return '';
  // The defaults of a mapping stand in the rows of its keys.
  if (isMapping(fallback) && Object.keys(fallback).length === 0 && takesMapping(definition)) return '';
  return `\`${inline(fallback)}\``;
}

function takesMapping(definition: Definition): boolean {
  if (definition.type === 'object') return true;
  return definition.type === 'union' && definition.options.some((option) => definitionOf(option).type === 'object');
}

function inline(value: unknown): string {
  if (typeof value === 'bigint' || value instanceof URL) return quoted(String(value));
  return stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trim();
}
