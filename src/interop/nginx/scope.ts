/** What holds at a place of nginx's configuration: directives that are inherited, and the values of variables. */
import type { Directive } from './parse.ts';

/** Values that some variables have wherever they are used. */
export type Values = ReadonlyMap<string, string>;

const longest = 8192;
const variable = /\$(?:\{(\w+)\}|(\w+))/g;

/** A text with the variables whose value is known in place; others stay as they are. */
export function substitute(text: string, values: Values): string {
  return text.replace(
    variable,
    (written, braced: string | undefined, bare: string | undefined) => values.get(braced ?? bare ?? '') ?? written,
  );
}

/** The variables that a text still holds, without their sign. */
export function variablesIn(text: string): string[] {
  return Array.from(text.matchAll(variable), ([, braced, bare]) => braced ?? bare ?? '');
}

/** A location with what stands around it: `http`, `server`, and the locations that it stands in. */
export class Scope {
  /** Outermost first. */
  readonly #levels: readonly (readonly Directive[])[];
  readonly #constants: Values;

  constructor(levels: readonly (readonly Directive[])[], constants: Values) {
    this.#levels = levels;
    this.#constants = constants;
  }

  /** The directives of the innermost level that has any of these names: nginx inherits all of them or none. */
  all(...names: readonly string[]): readonly Directive[] {
    for (const level of this.#levels.toReversed()) {
      const found = level.filter(({ name }) => names.includes(name));
      if (found.length > 0) return found;
    }
    return [];
  }

  /** The one that counts. */
  find(name: string): Directive | undefined {
    return this.all(name).at(-1);
  }

  /** Those of every level that are such. */
  every(test: (directive: Directive) => boolean): readonly Directive[] {
    return this.#levels.flatMap((level) => level.filter(test));
  }

  /** Those of the location itself, which are not inherited. */
  own(name: string): readonly Directive[] {
    return this.#levels.at(-1)?.filter((directive) => directive.name === name) ?? [];
  }

  /**
   * The variables with a fixed value. `set` counts in the server and in the location itself, in that order; one that also
   * stands within an `if` depends on the request. Those that an auth_request fills stand for the header of its answer.
   */
  values(): Values {
    const values = new Map(this.#constants);
    const [http = [], server = []] = this.#levels;
    const own = this.#levels.length > 2 ? (this.#levels.at(-1) ?? []) : [];
    for (const { name, args } of this.all('auth_request_set')) {
      const [target = '', source = ''] = args;
      if (name === 'auth_request_set') values.set(target.replace(/^\$/, ''), source);
    }
    for (const { args } of [...http, ...server, ...own].filter(({ name }) => name === 'set')) {
      const [target = '', source = ''] = args;
      const value = substitute(source, values);
      if (value.length > longest) values.delete(target.slice(1));
      else values.set(target.slice(1), value);
    }
    for (const { body = [] } of [...server, ...own].filter(({ name }) => name === 'if'))
      for (const { name, args } of body) if (name === 'set') values.delete((args[0] ?? '').slice(1));
    return values;
  }
}

/** Maps of which every request gets the same, by the name of their variable. */
export function constantMaps(http: readonly Directive[]): Map<string, string> {
  const constants = new Map<string, string>();
  for (const { name, args, body } of http) {
    if (name !== 'map' || !body) continue;
    const entries = body.filter((entry) => entry.name !== 'hostnames' && entry.name !== 'volatile');
    const [only] = entries;
    const value = only?.name === 'default' ? only.args[0] : undefined;
    if (entries.length === 1 && value !== undefined && !value.includes('$'))
      constants.set((args[1] ?? '').slice(1), value);
  }
  return constants;
}
