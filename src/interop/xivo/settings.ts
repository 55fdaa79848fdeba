/** XiVO's settings as its operator wrote them: the environment itself, and the words of `JAVA_OPTS`. `custom.env` is `env-file.ts`'s. */
import { OperatorError } from '../../core/errors.ts';

/** A value and where it was given, such as `custom.env:3` or `environment XUC_HOST`. */
export interface Setting {
  readonly value: string;
  readonly origin: string;
  /** As it is written, before variables are filled in, where that is something else. */
  readonly written?: string;
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
