/** What to write instead of a value that does not fit: for the slips that can be told from the value itself. */
import { quoted } from './issue.ts';
import { nearest } from './nearest.ts';
import { alternatives, definitionOf, inputOf } from './schema.ts';
import { choices, type RawIssue, wanted } from './wording.ts';

/** A hint for a value that a schema refused; undefined where nothing is likelier than something else. */
export function valueHint(value: unknown, raw: RawIssue, isSecret: boolean): string | undefined {
  const schema = raw.schema;
  if (value === null) return 'give it a value, or remove the key';
  if (!schema) return undefined;
  if (isSecret) return typeof value === 'number' ? 'put it in quotes: digits alone are a number' : undefined;
  const branches = alternatives(schema);
  const kinds = branches.map((branch) => definitionOf(branch).type as string);
  const titles = new Set([schema, ...branches].map((branch) => inputOf(branch).title));
  if (typeof value === 'string') {
    const words = Array.isArray(raw.options) ? raw.options.map(String) : branches.flatMap(choices);
    const meant = nearest(value, words);
    if (meant !== undefined) return `did you mean "${meant}"?`;
    if (curlyQuotes.test(value)) return straightQuotes;
    if (kinds.includes('boolean')) return booleanHint(value);
    if (kinds.includes('number') && /^\d+$/.test(value)) return 'write it without quotes';
    if (kinds.includes('array')) return `write it as a list: [${quoted(value)}]`;
  }
  const isPlain = typeof value === 'number' || typeof value === 'boolean';
  const takesText = kinds.includes('string') && !kinds.includes('array');
  if (typeof value === 'number' && titles.has('duration')) return `say of what: ${value}s or ${value}m`;
  if (typeof value === 'number' && titles.has('http address')) return `write http://127.0.0.1:${value}`;
  if (isPlain && takesText && wanted(schema) === 'text') return `put it in quotes: "${value}"`;
  if (Array.isArray(value) && !kinds.includes('array'))
    return 'a list is not possible here; remove the dash or the brackets';
  if (typeof value === 'object' && kinds.every((kind) => kind === 'array')) return 'begin each item with a dash: "- "';
  return undefined;
}

/** Quotes as word processors set them: for YAML they are a part of the text. */
export const curlyQuotes = /^[\u201c-\u201f\u00ab\u2018-\u201b].*[\u201c-\u201f\u00bb\u2018-\u201b]$/s;

/** What to do about them. */
export const straightQuotes = 'these quotes are a part of the text: write straight ones (" or \')';

function booleanHint(value: string): string | undefined {
  if (/^(yes|on|true|1)$/i.test(value)) return 'write true';
  return /^(no|off|false|0)$/i.test(value) ? 'write false' : undefined;
}

const units: readonly (readonly [RegExp, string])[] = [
  [/^(?:ms|msecs?|millis(?:econds)?|milliseconds?)$/, 'ms'],
  [/^(?:s|secs?|seconds?)$/, 's'],
  [/^(?:m|mins?|minutes?)$/, 'm'],
  [/^(?:h|hrs?|hours?)$/, 'h'],
  [/^(?:d|days?)$/, 'd'],
];

/** `30 minutes` as a configuration writes it; undefined for what names no unit that is known. */
export function durationHint(value: string): string | undefined {
  const [, number, word = ''] = /^(\d{1,9})\s*([a-z]*)$/i.exec(value.trim()) ?? [];
  if (number === undefined) return undefined;
  if (word === '') return `say of what: ${number}s or ${number}m`;
  const unit = units.find(([names]) => names.test(word.toLowerCase()))?.[1];
  return unit && `write ${number}${unit}`;
}
