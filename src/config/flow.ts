/** Reads brackets and quotes of a YAML value by hand, for texts that YAML refuses: where does it go wrong first? */
import type { Source } from './source.ts';

/** What is wrong with a value, with offsets into the text. */
interface ValueFault {
  readonly message: string;
  readonly hint: string;
  readonly from: number;
  readonly to: number;
}

/** Where a value ends, or what is wrong with it. */
type ValueReading =
  | { readonly kind: 'ends'; readonly at: number }
  | { readonly kind: 'fault'; readonly fault: ValueFault };

const closers: Readonly<Record<string, string>> = { '{': '}', '[': ']' };

function fault(from: number, to: number, message: string, hint: string): ValueReading {
  return { kind: 'fault', fault: { from, to, message, hint } };
}

/** Reads from an opening quote to behind the closing one; lines that are not deeper than `column` end it. */
export function readQuoted(source: Source, from: number, column: number): ValueReading {
  const { text } = source;
  const mark = text[from] ?? '';
  for (let at = from + 1; at < text.length; at++) {
    const character = text[at];
    if (character === '\n' && !goesOn(text, at + 1, column)) break;
    if (character === '\\' && mark === '"') at += 1;
    else if (character === mark && mark === "'" && text[at + 1] === "'") at += 1;
    else if (character === mark) return { kind: 'ends', at: at + 1 };
  }
  return fault(from, from + 1, `the quote that opens here (${mark}) is never closed`, 'close it on the same line');
}

/** Reads from an opening bracket to behind the one that closes it; lines that are not deeper than `column` end it. */
export function readFlow(source: Source, from: number, column: number): ValueReading {
  const { text } = source;
  const open: { mark: string; at: number }[] = [];
  let colons = 0;
  let word = from;
  let hasEnded = false;
  for (let at = from; at < text.length; at++) {
    const character = text[at] ?? '';
    if (character === '\n' && !goesOn(text, at + 1, column)) break;
    if (/\s/.test(character)) continue;
    if (character === '#' && /\s/.test(text[at - 1] ?? ' ')) {
      at = endOfLine(text, at) - 1;
      continue;
    }
    if (character === ',') {
      [colons, hasEnded] = [0, false];
    } else if (character === '}' || character === ']') {
      const { mark, at: opened } = open.pop() ?? { mark: '', at: from };
      if (closers[mark] !== character)
        return fault(
          opened,
          opened + 1,
          `the ${mark} here is closed by a ${character}`,
          `close it with ${closers[mark]}`,
        );
      if (open.length === 0) return { kind: 'ends', at: at + 1 };
      hasEnded = true;
    } else if (character === ':' && (hasEnded || /[\s,\]}]/.test(text[at + 1] ?? ' '))) {
      colons += 1;
      hasEnded = false;
      if (colons > 1) return missingComma(word, at);
    } else if (hasEnded) return missingComma(at, at + 1);
    else if (character in closers) {
      open.push({ mark: character, at });
      colons = 0;
    } else if ((character === '"' || character === "'") && /[\s,[{]/.test(text[at - 1] ?? ' ')) {
      const quoted = readQuoted(source, at, column);
      if (quoted.kind === 'fault') return quoted;
      [word, hasEnded] = [at, true];
      at = quoted.at - 1;
    } else if (/[\s,[{]/.test(text[at - 1] ?? ' ')) word = at;
  }
  const { mark, at } = open.at(-1) ?? { mark: '', at: from };
  return fault(
    at,
    at + 1,
    `the ${mark} here is never closed`,
    `close it with ${closers[mark]}; lines inside it must be indented`,
  );
}

function missingComma(from: number, to: number): ValueReading {
  return fault(from, to, 'a comma is missing before this', 'inside { } and [ ] a comma stands between two of them');
}

/** What stands on the line behind a value that has ended: nothing or a comment is right. */
export function readRest(source: Source, from: number): ValueFault | undefined {
  const rest = source.text.slice(from, endOfLine(source.text, from));
  const extra = /\S/.exec(rest);
  if (!extra || /^\s+#/.test(rest)) return undefined;
  const at = from + extra.index;
  const last = source.text[from - 1] ?? '';
  const [message, hint] = /[\]}]/.test(extra[0])
    ? [`there is one ${extra[0]} too many`, 'remove it']
    : /["']/.test(last)
      ? ['text stands behind the closing quote', 'put all of it in one pair of quotes; inside them use the other kind']
      : [`text stands behind the closing ${last}`, 'start a new line, or put the value in quotes'];
  return { message, hint, from: at, to: at + 1 };
}

function goesOn(text: string, from: number, column: number): boolean {
  const [line] = /^(?:[^\S\n]*\n)*[^\n]*/.exec(text.slice(from, from + 10_000)) ?? [''];
  const next = line.slice(line.lastIndexOf('\n') + 1);
  return next.trim() !== '' && next.search(/\S/) > column;
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end;
}
