/** What is allowed and yet hardly meant: warnings. */
import type { KeyPath } from './issue.ts';
import { takesSecret } from './mask.ts';
import type { Problem } from './problems.ts';
import { isMapping, type Schema, schemasUnder } from './schema.ts';

/** Secrets that read like a variable of a shell: nothing is put in for them, the text itself is the secret. */
export function literalVariables(schema: Schema, document: unknown): Problem[] {
  const found: Problem[] = [];
  const walk = (value: unknown, schemas: readonly Schema[], path: KeyPath): void => {
    const name = typeof value === 'string' ? /^\$(?:\{(\w+)\}|(\w+))$/.exec(value) : undefined;
    if (name && schemas.some(takesSecret)) {
      const hint = `write { env: ${name[1] ?? name[2]} }`;
      found.push({ path, at: 'value', message: 'looks like a variable but is taken as it stands', hint });
    }
    const steps = Array.isArray(value) ? [...value.keys()] : isMapping(value) ? Object.keys(value) : [];
    for (const step of steps) {
      const under = schemas.flatMap((candidate) => schemasUnder(candidate, value, step));
      walk((value as Record<string | number, unknown>)[step], under, [...path, step]);
    }
  };
  walk(document, [schema], []);
  return found;
}
