/** Reads the text of a search filter (RFC 4515) in which `%s` and `%d` stand for values that come later. */

/** A value with holes: texts and, between them, what is filled in. `%%` is a percent sign. */
export type Value = readonly (string | { readonly hole: 's' | 'd' })[];

/** A filter, read. */
export type FilterNode =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly FilterNode[] }
  | { readonly kind: 'not'; readonly part: FilterNode }
  | { readonly kind: 'present'; readonly attribute: string }
  | { readonly kind: 'compare'; readonly operator: Operator; readonly attribute: string; readonly value: Value }
  | {
      readonly kind: 'substring';
      readonly attribute: string;
      readonly initial: string;
      readonly any: readonly string[];
      readonly final: string;
    }
  | {
      readonly kind: 'extensible';
      readonly attribute: string;
      readonly rule: string;
      readonly dnAttributes: boolean;
      readonly value: Value;
    };

type Operator = '=' | '>=' | '<=' | '~=';

const deepest = 32;
const description = String.raw`(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)(?:;[A-Za-z0-9-]+)*`;
const item = new RegExp(`^(${description})(=|>=|<=|~=)(.*)$`, 's');
const extensible = new RegExp(`^(${description})?(:dn)?(?::([A-Za-z0-9.-]+))?:=(.*)$`, 'is');

/** Reads a filter; the outer parentheses may be left out, as in `uid=%s`. Throws an Error that says where it is wrong. */
export function parseFilter(text: string): FilterNode {
  const trimmed = text.trim();
  if (trimmed === '') throw new Error('the filter is empty');
  const whole = trimmed.startsWith('(') ? trimmed : `(${trimmed})`;
  const { node, end } = readNode(whole, 0, 0);
  if (end !== whole.length) throw new Error(`the filter goes on after its end, at "${whole.slice(end, end + 20)}"`);
  return node;
}

function readNode(text: string, start: number, depth: number): { node: FilterNode; end: number } {
  if (depth > deepest) throw new Error('the filter is nested too deeply');
  if (text[start] !== '(') throw new Error(`expected "(" at "${text.slice(start, start + 20)}"`);
  const sign = text[start + 1];
  if (sign === '&' || sign === '|') {
    const { parts, end } = readParts(text, start + 2, depth + 1);
    return { node: { kind: sign === '&' ? 'and' : 'or', parts }, end: closed(text, end) };
  }
  if (sign === '!') {
    const { node, end } = readNode(text, start + 2, depth + 1);
    return { node: { kind: 'not', part: node }, end: closed(text, end) };
  }
  const end = text.indexOf(')', start);
  if (end === -1) throw new Error(`")" is missing after "${text.slice(start, start + 40)}"`);
  return { node: readItem(text.slice(start + 1, end)), end: end + 1 };
}

function readParts(text: string, start: number, depth: number): { parts: readonly FilterNode[]; end: number } {
  const parts: FilterNode[] = [];
  let end = start;
  while (text[end] === '(') {
    const part = readNode(text, end, depth);
    parts.push(part.node);
    end = part.end;
  }
  if (parts.length === 0) throw new Error('"&" and "|" want at least one filter in parentheses after them');
  return { parts, end };
}

function closed(text: string, at: number): number {
  if (text[at] !== ')') throw new Error(`")" is missing at "${text.slice(at, at + 20)}"`);
  return at + 1;
}

function readItem(text: string): FilterNode {
  if (text.includes('(')) throw new Error(`"${text}": a "(" in a value is written \\28`);
  const [, attribute, operator, raw] = item.exec(text) ?? [];
  if (attribute === undefined || raw === undefined) return readExtensible(text);
  if (operator === '=' && raw === '*') return { kind: 'present', attribute };
  if (raw.includes('*')) return readSubstring(text, attribute, operator ?? '', raw);
  return { kind: 'compare', operator: operator as Operator, attribute, value: readValue(raw) };
}

function readSubstring(text: string, attribute: string, operator: string, raw: string): FilterNode {
  if (operator !== '=') throw new Error(`"${text}": a "*" is only for "=", else it is written \\2a`);
  const pieces = raw.split('*').map((piece) => {
    const [only = '', ...rest] = readValue(piece);
    if (typeof only !== 'string' || rest.length > 0) {
      throw new Error(
        `"${text}": %s and %d may not stand beside a "*", lest one user be found by a part of another's name`,
      );
    }
    return only;
  });
  const [initial = '', ...any] = pieces;
  const final = any.pop() ?? '';
  return { kind: 'substring', attribute, initial, any: any.filter((piece) => piece !== ''), final };
}

function readExtensible(text: string): FilterNode {
  const [, attribute = '', dnAttributes, rule = '', raw] = extensible.exec(text) ?? [];
  if (raw === undefined || (attribute === '' && rule === '')) {
    throw new Error(`"${text}" is not a comparison such as uid=%s`);
  }
  if (raw.includes('*')) throw new Error(`"${text}": a "*" in this value is written \\2a`);
  return { kind: 'extensible', attribute, rule, dnAttributes: dnAttributes !== undefined, value: readValue(raw) };
}

/** Bytes are gathered before they are read as UTF-8: `\c3\a9` is one character. */
function readValue(raw: string): Value {
  const parts: (string | { hole: 's' | 'd' })[] = [];
  let bytes: Buffer[] = [];
  const flush = () => {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(bytes));
    if (text !== '') parts.push(text);
    bytes = [];
  };
  for (const [piece] of raw.matchAll(/%.?|\\(?:[0-9a-f]{2})?|[^%\\]+/gis)) {
    if (piece === '%s' || piece === '%d') {
      flush();
      parts.push({ hole: piece === '%s' ? 's' : 'd' });
    } else if (piece === '%%') bytes.push(Buffer.from('%'));
    else if (piece.startsWith('%'))
      throw new Error(`"${piece}" means nothing here: use %s, %d, or %% for a percent sign`);
    else if (piece === '\\') throw new Error(`"${raw}": a backslash in a value is written \\5c`);
    else if (piece.startsWith('\\')) bytes.push(Buffer.from(piece.slice(1), 'hex'));
    else bytes.push(Buffer.from(piece));
  }
  flush();
  return parts;
}
