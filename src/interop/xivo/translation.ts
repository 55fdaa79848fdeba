/** A translation while it is made: values for keys of our configuration, what was left out, what is wrong, what to know. */
import { OperatorError } from '../../core/errors.ts';
import type { Setting, Untranslated } from './settings.ts';

/** A value for a key of our configuration. */
export interface Translated {
  readonly key: readonly (string | number)[];
  /** As the file would write it; undefined removes the key. */
  readonly value: unknown;
  readonly origin: string;
  /** Where the value, or the secret in it, is all of an environment variable of the site: its name. */
  readonly variable?: string;
}

/** Something an operator should know of a translation, at the key it is about. */
export interface Caution {
  readonly key: readonly (string | number)[];
  readonly origin: string;
  readonly message: string;
  readonly hint: string;
}

/** Plain data as YAML gives it, before it is checked. */
export type Plain = Readonly<Record<string, unknown>>;

/** The words of a truth value, as XiVO's own programs take them. */
const truths: Readonly<Record<string, boolean>> = { true: true, false: false };

/** Collects a translation. */
export class Translation {
  readonly values: Translated[] = [];
  readonly untranslated: Untranslated[] = [];
  readonly cautions: Caution[] = [];
  readonly #problems: string[] = [];
  /** The configuration that is already there; undefined when the environment is all there is. */
  readonly existing: Plain | undefined;

  constructor(existing: Plain | undefined) {
    this.existing = existing;
  }

  /** What stands at a key of the configuration that is already there. */
  at(...key: readonly string[]): unknown {
    let value: unknown = this.existing;
    for (const step of key) value = isPlain(value) && Object.hasOwn(value, step) ? value[step] : undefined;
    return value;
  }

  set(key: Translated['key'], value: unknown, origin: string, variable?: string): void {
    this.values.push({ key, value, origin, ...(variable !== undefined && { variable }) });
  }

  leaveOut(origin: string, what: string, why: string): void {
    this.untranslated.push({ origin, what, why });
  }

  caution(caution: Caution): void {
    this.cautions.push(caution);
  }

  /** Something that has to be mended before anything can run. */
  problem(origin: string, message: string, hint: string): void {
    this.#problems.push(`${origin}  ${message} — ${hint}`);
  }

  /** true or false; anything else is a problem. */
  truth(name: string, setting: Setting | undefined): boolean | undefined {
    if (!setting) return undefined;
    const found = truths[setting.value.trim().toLowerCase()];
    if (found === undefined)
      this.problem(setting.origin, `${name} must be true or false`, 'set it to one of them, or leave it out');
    return found;
  }

  /** Throws everything that is wrong, at once. */
  finish(): void {
    if (this.#problems.length === 0) return;
    throw new OperatorError(
      `the settings of XiVO cannot be used\n${this.#problems.join('\n')}`,
      'docs/migrating-from-xivo.md has every setting',
    );
  }
}

/** True for a mapping. */
export function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
