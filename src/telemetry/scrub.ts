/** Turns any value into plain JSON without secrets: by the name of a field, by the looks of a text, at every depth. */
import { redacted, scrubText } from './scrub-text.ts';

const deepest = 8;
const maxEntries = 100;
const maxValues = 2000;

/** Field names, folded to lower case without `-` and `_`, whose value is never written. */
const secretName =
  /pass(?:word|wd|phrase)$|^pwd$|secret$|tokens?$|ticket$|^pgt|^(?:proxy)?authorization$|cookies?2?$|codeverifier$|^clientassertion$|assertionjwt$|gatehouseassertion$|saml(?:response|request)$|^logoutrequest$|apikey$|privatekey$|^credentials?$|^nonce$/;
/** Values under such names that are no secret: what an error or a counter says. */
const harmlessCode = /^(?:\d{1,4}|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)$/;

/** Whether a field of this name holds a secret, however it is spelt. */
export function isSecretName(name: string): boolean {
  return secretName.test(name.toLowerCase().replaceAll(/[-_]/g, ''));
}

/** A copy fit for a log: plain, bounded, without cycles, without secrets. Never throws. */
export function scrub(value: unknown): unknown {
  return new Walk().visit(value, 0);
}

/** The fields of a record, scrubbed. Anything but an object comes back under `value`. */
export function scrubFields(fields: object): Record<string, unknown> {
  const clean = fields instanceof Error ? { error: scrub(fields) } : scrub(fields);
  return isRecord(clean) ? clean : { value: clean };
}

/** One walk through one value: its ancestors, for cycles, and a budget, for size. */
class Walk {
  readonly #ancestors: object[] = [];
  #left = maxValues;

  visit(value: unknown, depth: number): unknown {
    this.#left -= 1;
    switch (typeof value) {
      case 'string':
        return scrubText(value);
      case 'bigint':
        return String(value);
      case 'function':
        return '[function]';
      case 'symbol':
        return String(value);
      case 'object':
        return value === null ? null : this.#object(value, depth);
      default:
        return value;
    }
  }

  #object(value: object, depth: number): unknown {
    if (this.#ancestors.includes(value)) return '[circular]';
    if (depth >= deepest || this.#left <= 0) return '[…]';
    this.#ancestors.push(value);
    try {
      return this.#copy(value, depth + 1);
    } catch {
      return '[unreadable]';
    } finally {
      this.#ancestors.pop();
    }
  }

  #copy(value: object, depth: number): unknown {
    if (value instanceof Error) return this.#error(value, depth);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (value instanceof URL || value instanceof URLSearchParams || value instanceof RegExp)
      return scrubText(String(value));
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
    if (Array.isArray(value)) return this.#array(value, depth);
    if (value instanceof Map || value instanceof Headers) return this.#entries([...value], depth);
    if (value instanceof Set) return this.#array([...value], depth);
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.visit(value.toJSON(), depth);
    return this.#entries(Object.entries(value), depth);
  }

  /** Names and values may stand in turn, as in `rawHeaders`, or in pairs: a secret's name hides the value after it. */
  #array(values: readonly unknown[], depth: number): unknown[] {
    const clean = values.slice(0, maxEntries).map((value, index) => {
      const before = values[index - 1];
      const hidden = typeof value === 'string' && typeof before === 'string' && isSecretName(before);
      return hidden ? redacted : this.visit(value, depth);
    });
    return values.length > maxEntries ? [...clean, `[${values.length - maxEntries} more]`] : clean;
  }

  #entries(entries: readonly (readonly [unknown, unknown])[], depth: number): Record<string, unknown> {
    const clean: Record<string, unknown> = Object.create(null);
    for (const [key, value] of entries.slice(0, maxEntries)) {
      const name = String(key);
      clean[scrubText(name)] = isHidden(name, value) ? redacted : this.visit(value, depth);
    }
    if (entries.length > maxEntries) clean['…'] = `[${entries.length - maxEntries} more]`;
    return clean;
  }

  /** `stack` and `cause` are not enumerable: an error says what it has to say in them. */
  #error(error: Error, depth: number): Record<string, unknown> {
    const { name, message, stack, cause } = error;
    const clean = this.#entries(Object.entries(error), depth);
    clean.type = error.constructor?.name || name;
    clean.message = scrubText(String(message));
    if (typeof stack === 'string') clean.stack = scrubText(stack);
    if (cause !== undefined) clean.cause = this.visit(cause, depth);
    if (error instanceof AggregateError) clean.errors = this.visit(error.errors, depth);
    return clean;
  }
}

function isHidden(name: string, value: unknown): boolean {
  if (value === undefined || value === null || typeof value === 'boolean') return false;
  if (name.toLowerCase() === 'code') return typeof value === 'string' && !harmlessCode.test(value);
  return typeof value !== 'number' && isSecretName(name);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
