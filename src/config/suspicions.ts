/** What is allowed and yet hardly meant: warnings. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { KeyPath } from './issue.ts';
import { takesSecret } from './mask.ts';
import type { Problem } from './problems.ts';
import { inputOf, isMapping, type Schema, schemasUnder } from './schema.ts';
import { curlyQuotes, straightQuotes } from './value-hints.ts';

/**
 * Texts that read like a variable of the environment, for which nothing is put in, and quotes that YAML takes for letters.
 * What `${…}` means in a header or an address to redirect to is those keys' own: variables of ours are in lower case.
 */
export function doubtfulTexts(schema: Schema, document: unknown): Problem[] {
  return textsIn(document, [schema]).flatMap(({ text, schemas, path }) =>
    doubts(text, schemas.some(takesSecret)).map((doubt) => ({ path, at: 'value', ...doubt })),
  );
}

interface FoundText {
  readonly text: string;
  /** What the schema knows of its place. */
  readonly schemas: readonly Schema[];
  readonly path: KeyPath;
}

/** All texts of a value, with what may stand where each stands. */
function textsIn(value: unknown, schemas: readonly Schema[], path: KeyPath = []): FoundText[] {
  if (typeof value === 'string') return [{ text: value, schemas, path }];
  const steps = Array.isArray(value) ? [...value.keys()] : isMapping(value) ? Object.keys(value) : [];
  return steps.flatMap((step) => {
    const under = schemas.flatMap((candidate) => schemasUnder(candidate, value, step));
    return textsIn((value as Record<string | number, unknown>)[step], under, [...path, step]);
  });
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

/** Secrets in clear in the configuration, and files of secrets that others may read or change; paths begin at `directory`. */
export function openSecrets(schema: Schema, document: unknown, directory: string): Problem[] {
  return textsIn(document, [schema]).flatMap(({ text, schemas, path }): Problem[] => {
    if (schemas.some(takesSecret)) return /^\$(?:\{\w+\}|\w+)$/.test(text) ? [] : [{ path, at: 'value', ...inClear }];
    if (!schemas.some((known) => inputOf(known).isSecretFile)) return [];
    // Of `{ file: … }` the key that holds it is the secret's.
    const at = path.at(-1) === 'file' ? path.slice(0, -1) : path;
    return exposedMode(resolve(directory, text)).map((words) => ({ path: at, at: 'value', ...words }));
  });
}

const inClear = {
  message: 'is a secret in clear: whoever sees this file or a copy of it has it',
  hint: 'write { env: NAME } or { file: PATH }',
};

/** What others may do with a file: read it, or, the group too, change it. A file that is not there is another mistake. */
export function exposedMode(file: string): { message: string; hint: string }[] {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  const acts = [...((mode & 0o004) !== 0 ? ['read'] : []), ...((mode & 0o022) !== 0 ? ['change'] : [])];
  if (acts.length === 0) return [];
  const who = (mode & 0o006) !== 0 ? 'every user of this machine' : 'the group of the file';
  return [
    {
      message: `${who} may ${acts.join(' and ')} ${file}`,
      hint: `chmod ${(mode & 0o040) !== 0 ? '640' : '600'} ${file}`,
    },
  ];
}
