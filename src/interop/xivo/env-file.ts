/** Reads `custom.env` as Compose does: quotes taken off, comments behind a blank, variables filled in. */
import { OperatorError } from '../../core/errors.ts';
import type { Setting, Settings, Untranslated } from './settings.ts';

/** What an env file says. */
interface EnvFileReading {
  readonly settings: Settings;
  readonly untranslated: readonly Untranslated[];
  /** The variables that others are made of. */
  readonly used: ReadonlySet<string>;
}

/** Looks variables up, and keeps which of them were asked for. */
export class Variables {
  readonly #find: (name: string) => string | undefined;
  readonly used = new Set<string>();

  constructor(find: (name: string) => string | undefined) {
    this.#find = find;
  }

  get(name: string): string | undefined {
    const value = this.#find(name);
    if (value !== undefined) this.used.add(name);
    return value;
  }

  /**
   * Compose's `${NAME}`, with `:-` and a default, `:?` and an error, `:+` and a replacement; `$NAME` and `$$`. With
   * `keepsUnknown`, a name without braces that is not known stays as it is: older versions of Compose leave it.
   */
  fill(text: string, { keepsUnknown = false } = {}): string {
    return text.replace(
      /\$(?:\$|\{(\w+)(?:(:?[-?+])((?:[^{}]|\$\{[^{}]*\})*))?\}|([A-Za-z_]\w*))/g,
      (whole, braced?: string, sign?: string, other = '', plain?: string) => {
        if (whole === '$$') return '$';
        const value = this.get(braced ?? plain ?? '');
        if (plain !== undefined) return value ?? (keepsUnknown ? whole : '');
        const isSet = sign?.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
        if (sign?.endsWith('+')) return isSet ? this.fill(other) : '';
        return isSet ? (value ?? '') : sign?.endsWith('-') ? this.fill(other) : (value ?? '');
      },
    );
  }
}

/** Reads it; of several lines with one name the last counts. `before` are the files read so far. */
export function readEnvFile(text: string, file: string, before: Settings = new Map()): EnvFileReading {
  const settings = new Map<string, Setting>();
  const untranslated: Untranslated[] = [];
  const variables = new Variables((name) => (settings.get(name) ?? before.get(name))?.value);
  const lines = text
    .replace(/^\ufeff/, '')
    .replaceAll('\r\n', '\n')
    .split('\n');
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index]?.trimStart().replace(/^export\s+/, '') ?? '';
    const origin = `${file}:${index + 1}`;
    if (line === '' || line.startsWith('#')) continue;
    const [, name = '', written] = /^([^=]*)(?:=(.*))?$/s.exec(line) ?? [];
    requireName(name, origin);
    requireText(line, `${origin}:${(lines[index] ?? '').length - line.length + 1}`);
    if (written === undefined) {
      untranslated.push({ origin, what: name, why: 'it has no value here: docker takes it from its own environment' });
      continue;
    }
    const { value, lines: more } = readValue(written.trimStart(), lines.slice(index + 1), origin, variables);
    index += more;
    if (!/^\s*'/.test(written) && /\$[A-Za-z_]/.test(value))
      untranslated.push({
        origin,
        what: name,
        why: 'a $ stands in its value, which versions of Compose take for a variable: put the value in single quotes',
      });
    if (value === '') settings.delete(name);
    else settings.set(name, { value, origin });
  }
  return { settings, untranslated, used: variables.used };
}

function requireName(name: string, origin: string): void {
  if (/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name)) return;
  throw new OperatorError(
    `${origin}  the line does not begin with the name of a variable`,
    'write NAME=VALUE, without blanks around the sign',
  );
}

/** Bytes that are no UTF-8 come as lone surrogates. */
function requireText(line: string, origin: string): void {
  const at = line.search(/[\udc80-\udcff]/u);
  const comment = line.search(/\s#/);
  if (at === -1 || (comment !== -1 && comment < at)) return;
  const [, place = '', column = ''] = /^(.*):(\d+)$/s.exec(origin) ?? [];
  throw new OperatorError(
    `${place}:${Number(column) + at}  the byte here is not UTF-8`,
    'save the file as UTF-8; in comments it does not matter',
  );
}

/** A value, which in quotes may go on over lines. */
function readValue(written: string, following: readonly string[], origin: string, variables: Variables) {
  const quote = /^["']/.exec(written)?.[0];
  if (quote === undefined) {
    const [bare = ''] = written.split(/[ \t]#/, 1);
    return { value: variables.fill(bare.trimEnd(), { keepsUnknown: true }), lines: 0 };
  }
  const pattern = quote === '"' ? /^"((?:\\.|[^"\\])*)"[ \t]*(?:#.*)?$/s : /^'([^']*)'[ \t]*(?:#.*)?$/s;
  let text = written;
  for (let more = 0; more <= following.length; more += 1) {
    const [, inside] = pattern.exec(text.trimEnd()) ?? [];
    if (inside !== undefined) return { value: quote === '"' ? unescaped(inside, variables) : inside, lines: more };
    text += `\n${following[more] ?? ''}`;
  }
  throw new OperatorError(
    `${origin}  the quotation mark of this value does not close, or something stands behind it`,
    'close it at the end of the value',
  );
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', $: '$$' };

function unescaped(text: string, variables: Variables): string {
  const plain = text.replace(/\\(.)/gs, (whole, sign: string) => escapes[sign] ?? whole);
  return variables.fill(plain, { keepsUnknown: true });
}
