/** Says in plain words what a schema wants: the part of a message that follows “must be”. */
import type * as z from 'zod';
import { inputOf, type Schema } from './schema.ts';

/** An issue as zod raises it, before it has a text: with the schema or check that raised it. */
export type RawIssue = z.core.$ZodRawIssue;

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  bigint: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a mapping of keys to values',
  record: 'a mapping of names to values',
  null: 'empty',
};

/** What a schema takes, such as `a duration such as 5s` or `one of ldap, local`. */
export function wanted(schema: Schema): string {
  const { definition, kind } = inputOf(schema);
  if (kind) return kind;
  switch (definition.type) {
    case 'literal':
    case 'enum':
      return oneOf(choices(schema));
    case 'union': {
      const values = definition.options.flatMap(choices);
      const single = definition.options.filter((option) => choices(option).length === 0);
      const wants = single.map(wanted);
      const others = single.map((option, index) => (isListOf(option, wants) ? 'a list of them' : (wants[index] ?? '')));
      return anyOf([...(values.length > 0 ? [oneOf(values)] : []), ...others]);
    }
    case 'array': {
      const item = inputOf(definition.element);
      return item.title ? `a list, each item ${wanted(definition.element)}` : 'a list';
    }
    case 'number':
      return 'format' in definition && String(definition.format).includes('int') ? 'a whole number' : 'a number';
    default:
      return nouns[definition.type] ?? 'something else';
  }
}

/** The words that a schema of fixed values takes; empty for any other schema. */
export function choices(schema: Schema): string[] {
  const { definition } = inputOf(schema);
  switch (definition.type) {
    case 'literal':
      return definition.values.map(String);
    case 'enum':
      return Object.values(definition.entries).map(String);
    case 'union':
      return definition.options.every((option) => choices(option).length > 0)
        ? definition.options.flatMap(choices)
        : [];
    default:
      return [];
  }
}

/** `one of a, b, c`, or the only word there is. */
function oneOf(words: readonly string[]): string {
  const shown = words.map((word) => (word === '' ? 'empty text' : word));
  return shown.length === 1 ? shown.join('') : `one of ${shown.join(', ')}`;
}

function isListOf(option: Schema, wants: readonly string[]): boolean {
  const { definition } = inputOf(option);
  return definition.type === 'array' && wants.includes(wanted(definition.element));
}

function anyOf(wants: readonly string[]): string {
  return [...new Set(wants)].join(', or ');
}

/** What an issue of one value asks for, as “must …”; for issues whose schema brings no words of its own. */
export function demand(raw: RawIssue): string {
  const schema = raw.schema;
  switch (raw.code) {
    case 'invalid_type': {
      // Of `format: int` on a fraction zod says so as a type; any other schema speaks for itself.
      if (raw.expected === 'int') return 'must be a whole number';
      return `must be ${schema ? wanted(schema) : (nouns[raw.expected] ?? raw.expected)}`;
    }
    case 'invalid_value':
      return `must be ${oneOf(raw.values.map(String))}`;
    case 'too_small':
    case 'too_big':
      return limit(raw);
    case 'invalid_format':
      return `must be ${schema && inputOf(schema).kind ? wanted(schema) : `text of the form ${raw.pattern ?? raw.format}`}`;
    case 'not_multiple_of':
      return `must be a multiple of ${raw.divisor}`;
    case 'invalid_union':
      return schema ? `must be ${wanted(schema)}` : 'must be another kind of value';
    default:
      return 'must be something else';
  }
}

function limit(raw: RawIssue): string {
  const isLow = raw.code === 'too_small';
  const bound = Number(isLow ? raw.minimum : raw.maximum);
  const isCounted = ['string', 'array', 'set', 'map'].includes(String(raw.origin));
  if (!isCounted) {
    const edge = raw.inclusive === false ? (isLow ? 'more than' : 'less than') : isLow ? 'at least' : 'at most';
    return `must be ${edge} ${bound}`;
  }
  if (isLow && bound === 1) return 'must not be empty';
  const things = raw.origin === 'string' ? 'character' : 'item';
  return `must have ${isLow ? 'at least' : 'at most'} ${bound} ${things}${bound === 1 ? '' : 's'}`;
}
