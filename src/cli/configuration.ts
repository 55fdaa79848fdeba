/** Reads the configuration that a command works on, and says what is wrong with it as compilers do. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ConfigIssue, type LoadResult, loadConfig } from '../config/load.ts';
import { formatIssues } from '../config/report.ts';
import { OperatorError } from '../core/errors.ts';
import { type Document, documentSchema } from '../gateway/document.ts';
import { environmentOverrides } from '../gateway/environment.ts';
import { type Invocation, textOption } from './command.ts';

const defaultFile = 'config/gatehouse.yaml';

/** The option that every command with a configuration takes. */
export const configOption = { config: { type: 'string', short: 'c' } } as const;

/** The file that `--config`, else GATEHOUSE_CONFIG, else the default place names; absolute. */
export function configFile(invocation: Invocation): string {
  return resolve(textOption(invocation, 'config') ?? invocation.terminal.env.GATEHOUSE_CONFIG ?? defaultFile);
}

/** A configuration that was read, or everything that is wrong with it. */
export type Reading =
  | {
      readonly kind: 'ok';
      readonly document: Document;
      readonly warnings: readonly ConfigIssue[];
      readonly locate: Extract<LoadResult<Document>, { kind: 'ok' }>['locate'];
    }
  | { readonly kind: 'invalid'; readonly issues: readonly ConfigIssue[] };

/** Reads and checks a file with the environment on top. */
export function readConfiguration(file: string, env: Readonly<Record<string, string | undefined>>): Reading {
  const overrides = environmentOverrides(env);
  const result = loadConfig({ schema: documentSchema, file, env, overrides });
  if (result.kind === 'invalid') return result;
  const { value: document, warnings, locate } = result;
  return { kind: 'ok', document, warnings, locate };
}

/** Reads a configuration that has to be right; anything else is an OperatorError that lists every mistake. */
export function requireConfiguration(invocation: Invocation): { file: string; document: Document } {
  const file = configFile(invocation);
  const reading = readConfiguration(file, invocation.terminal.env);
  if (reading.kind === 'ok') return { file, document: reading.document };
  const hint = existsSync(file)
    ? 'gatehouse check shows the same without starting anything'
    : 'name another with --config FILE';
  throw new OperatorError(`the configuration cannot be used\n${formatIssues(reading.issues)}`, hint);
}
