/** What is allowed and yet hardly meant: warnings. */
import type { KeyPath } from './issue.ts';
import { takesSecret } from './mask.ts';
import type { Problem } from './problems.ts';
import { isMapping, type Schema, schemasUnder } from './schema.ts';
import { curlyQuotes, straightQuotes } from './value-hints.ts';

/**
 * Texts that read like a variable of the environment, for which nothing is put in, and quotes that YAML takes for letters.
 * What `${…}` means in a header or an address to redirect to is those keys' own: variables of ours are in lower case.
 */
export function doubtfulTexts(schema: Schema, document: unknown): Problem[] {
  const found: Problem[] = [];
  const walk = (value: unknown, schemas: readonly Schema[], path: KeyPath): void => {
    if (typeof value === 'string')
      found.push(
        ...doubts(value, schemas.some(takesSecret)).map((doubt) => ({ path, at: 'value' as const, ...doubt })),
      );
    const steps = Array.isArray(value) ? [...value.keys()] : isMapping(value) ? Object.keys(value) : [];
    for (const step of steps) {
      const under = schemas.flatMap((candidate) => schemasUnder(candidate, value, step));
      walk((value as Record<string | number, unknown>)[step], under, [...path, step]);
    }
  };
  walk(document, [schema], []);
  return found;
}

function doubts(text: string, isSecret: boolean): Pick<Problem, 'message' | 'hint'>[] {
  const name = isSecret ? /^\$(?:\{(\w+)\}|(\w+))$/.exec(text) : /\$\{([A-Z][A-Z0-9_]*)\}/.exec(text);
  const message = 'looks like a variable but is taken as it stands';
  if (name && isSecret) return [{ message, hint: `write { env: ${name[1] ?? name[2]} }` }];
  if (name) return [{ message, hint: 'write the value: only secrets are read from the environment' }];
  return !isSecret && curlyQuotes.test(text)
    ? [{ message: 'stands in quotes that YAML does not know', hint: straightQuotes }]
    : [];
}
