/** XiVO's settings as its operator wrote them: `custom.env`, the environment itself, and the words of `JAVA_OPTS`. */
import { OperatorError } from '../../core/errors.ts';

/** A value and where it was given, such as `custom.env:3` or `environment XUC_HOST`. */
export interface Setting {
  readonly value: string;
  readonly origin: string;
}

/** Settings by name. */
export type Settings = ReadonlyMap<string, Setting>;

/** Something that was not translated, where it stands, and why. */
export interface Untranslated {
  readonly origin: string;
  readonly what: string;
  readonly why: string;
}

/** The variables of a process, each under its own name; empty ones count as unset, as compose leaves them. */
export function settingsOf(env: Readonly<Record<string, string | undefined>>): Settings {
  const set = Object.entries(env).flatMap(([name, value]): [string, Setting][] =>
    value === undefined || value === '' ? [] : [[name, { value, origin: `environment ${name}` }]],
  );
  return new Map(set);
}

/**
 * Reads an env file as `docker run --env-file` does: a line is NAME=VALUE, the value is all that follows the sign, quotes and
 * closing blanks included; lines that begin with # are comments; the last of several lines with one name counts.
 */
export function readEnvFile(text: string, file: string): { settings: Settings; untranslated: readonly Untranslated[] } {
  const settings = new Map<string, Setting>();
  const untranslated: Untranslated[] = [];
  for (const [index, raw] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    const line = raw.trimStart();
    const origin = `${file}:${index + 1}`;
    if (line === '' || line.startsWith('#')) continue;
    const [, name = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(line) ?? [];
    if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name))
      throw new OperatorError(
        `${origin}  the line does not begin with the name of a variable`,
        'write NAME=VALUE, without blanks around the sign',
      );
    if (value === undefined)
      untranslated.push({ origin, what: name, why: 'it has no value here: docker takes it from its own environment' });
    else if (value === '') settings.delete(name);
    else settings.set(name, { value, origin });
  }
  return { settings, untranslated };
}

/** Cuts `JAVA_OPTS` into words, as the shell does that starts XUC: quotes group, a backslash takes the next sign as it is. */
export function javaWords({ value, origin }: Setting): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < value.length; at++) {
    const sign = value.charAt(at);
    if (sign === '\\' && quote !== "'") {
      at += 1;
      word = (word ?? '') + value.charAt(at);
    } else if (quote === '' && (sign === '"' || sign === "'")) {
      quote = sign;
      word ??= '';
    } else if (sign === quote && quote !== '') quote = '';
    else if (quote === '' && /\s/.test(sign)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + sign;
  }
  if (quote !== '') throw new OperatorError(`${origin}: a quotation mark in JAVA_OPTS does not close`, 'close it');
  return word === undefined ? words : [...words, word];
}

/** The `-Dname=value` words among them, and the rest. */
export function javaProperties(
  words: readonly string[],
  origin: string,
): { properties: Settings; others: readonly string[] } {
  const properties = new Map<string, Setting>();
  const others: string[] = [];
  for (const word of words) {
    const [, name, value = ''] = /^-D([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined) others.push(word);
    else properties.set(name, { value, origin });
  }
  return { properties, others };
}
