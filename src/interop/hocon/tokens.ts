/** The words of a HOCON text (XiVO's `xuc.conf`), each with its place. What they mean together is `parse.ts`'s. */
import { escapedByteAt } from '../../config/source.ts';
import { OperatorError } from '../../core/errors.ts';

/** Where something stands in a file. */
export interface HoconPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A word. `text` is what it says, after quotes and escapes. */
export interface HoconToken extends HoconPlace {
  readonly kind: 'text' | 'quoted' | 'space' | 'newline' | 'sign' | 'substitution' | 'end';
  readonly text: string;
  /** For a substitution: `${?…}` may lead nowhere. */
  readonly isOptional?: boolean;
  /** For a word: a comment begins right behind it, without a blank. */
  readonly isCut?: boolean;
}

/** What stops the reading of a file, with its place in front. */
export function hoconError({ file, line, column }: HoconPlace, message: string, hint?: string): OperatorError {
  return new OperatorError(`${file}:${line}:${column}  ${message}`, hint);
}

const escapes: Readonly<Record<string, string>> = {
  ...{ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' },
};

/** One word of each kind; blanks are all but the line break, the byte order mark among them. */
const word = new RegExp(
  [
    /(?<newline>\n)/,
    /(?<space>(?:[^\S\n]|\ufeff)+)/,
    /(?<comment>(?:#|\/\/)[^\n]*)/,
    /"""(?<triple>[\s\S]*?"*)"""(?!")/,
    /"(?<quoted>(?:[^"\\\n]|\\.)*)"/,
    /\$\{(?<optional>\?)?(?<substitution>[^{}\n]*)\}/,
    /(?<sign>\+=|[{}[\]:=,])/,
    /(?<text>(?:(?!\/\/)[^\s$"{}[\]:=,+#`^?!@*&\\])+)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'y',
);

/** Cuts a text into words. Comments are left out; throws an OperatorError at what cannot be a word. */
export function hoconTokens(text: string, file: string): HoconToken[] {
  const tokens: HoconToken[] = [];
  let line = 1;
  let lineStart = 0;
  let at = 0;
  const place = (): HoconPlace => ({ file, line, column: at - lineStart + 1 });
  while (at < text.length) {
    word.lastIndex = at;
    const match = word.exec(text);
    if (!match) throw strangeSign(text.charAt(at), place());
    const token = tokenOf(match.groups ?? {}, place());
    const [whole] = match;
    const last = tokens.at(-1);
    if (token) requireText(whole, token);
    if (token) tokens.push(token);
    else if (last?.kind === 'text') tokens.splice(-1, 1, { ...last, isCut: true });
    const breaks = whole.split('\n').length - 1;
    if (breaks > 0) lineStart = at + whole.lastIndexOf('\n') + 1;
    line += breaks;
    at += whole.length;
  }
  return [...tokens, { ...place(), kind: 'end', text: '' }];
}

function tokenOf(groups: Readonly<Record<string, string | undefined>>, place: HoconPlace): HoconToken | undefined {
  const { triple, quoted, substitution, optional } = groups;
  if (triple !== undefined) return { ...place, kind: 'quoted', text: triple };
  if (quoted !== undefined) return { ...place, kind: 'quoted', text: unescaped(quoted, place) };
  if (substitution !== undefined)
    return { ...place, kind: 'substitution', text: substitution.trim(), isOptional: optional !== undefined };
  for (const kind of ['newline', 'space', 'sign', 'text'] as const) {
    const found = groups[kind];
    if (found !== undefined) return { ...place, kind, text: found };
  }
  return undefined;
}

/** Bytes that are no UTF-8 come as lone surrogates; only in comments they do not matter. */
function requireText(word: string, begin: HoconPlace): void {
  const place = escapedByteAt(word, begin);
  if (!place) return;
  throw hoconError(place, 'the byte here is not UTF-8', 'save the file as UTF-8; in comments it does not matter');
}

function unescaped(text: string, place: HoconPlace): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|.)/g, (whole, sign: string) => {
    const character =
      sign.length === 5 ? String.fromCharCode(Number.parseInt(sign.slice(1), 16)) : (escapes[sign] ?? undefined);
    if (character !== undefined) return character;
    throw hoconError(place, `${whole} is no escape that HOCON knows`, 'write a backslash itself as \\\\');
  });
}

function strangeSign(sign: string, place: HoconPlace): OperatorError {
  if (sign === '"') return hoconError(place, 'a quotation mark opens here and does not close on its line', 'close it');
  if (sign === '$')
    return hoconError(place, '$ stands outside quotes and begins no substitution', 'put the value in quotes');
  return hoconError(place, `${JSON.stringify(sign)} cannot stand outside quotes`, 'put the value in quotes');
}
