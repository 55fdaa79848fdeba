/** Reads the configuration that a command works on, and says what is wrong with it as compilers do. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig, type Override } from '../config/load.ts';
import { formatIssues } from '../config/report.ts';
import { OperatorError } from '../core/errors.ts';
import { type Document, documentSchema } from '../gateway/document.ts';
import { type EnvironmentReading, readEnvironment } from '../gateway/environment.ts';
import { settingsOf } from '../interop/xivo/settings.ts';
import { isXivoEnvironment } from '../interop/xivo/xivo.ts';
import { readAppConfig } from '../middleware/document.ts';
import type { Reading } from '../runtime/reading.ts';
import { type Invocation, textOption } from './command.ts';
import { readConf, readDefaultRealm } from './xivo-files.ts';

const defaultFile = 'config/gatehouse.yaml';

/** Stands for the file where there is none, and XiVO's environment is the whole configuration. */
export const xivoEnvironment = 'the environment of XiVO';

/** The option that every command with a configuration takes. */
export const configOption = { config: { type: 'string', short: 'c' } } as const;

/** The option of those that also take the configuration of an application with the gateway inside. */
export const appOption = { app: { type: 'boolean' } } as const;

/**
 * The file that `--config`, else GATEHOUSE_CONFIG, else the default place names; absolute. Where none is named and none is
 * there, an environment of XiVO's stands for it.
 */
export function configFile(invocation: Invocation): string {
  const { env } = invocation.terminal;
  const named = textOption(invocation, 'config') ?? (env.GATEHOUSE_CONFIG || undefined);
  const file = resolve(named ?? defaultFile);
  return named === undefined && !existsSync(file) && isXivoEnvironment(env) ? xivoEnvironment : file;
}

/** Reads and checks a file with the environment on top, or the environment alone. `known` is the text of the file, where it has been read. */
export function readConfiguration(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  known?: string,
): Reading {
  const isAlone = file === xivoEnvironment;
  const settings = settingsOf(env);
  const conf = env.CONFIG_FILE ? readConf(env.CONFIG_FILE, env) : undefined;
  const environment = { env, conf, defaultRealm: readDefaultRealm(settings) };
  let said: EnvironmentReading = { overrides: [], cautions: [] };
  const overrides = (document: unknown): readonly Override[] => {
    said = readEnvironment(environment, document, isAlone);
    return said.overrides;
  };
  const text = isAlone ? '' : known;
  const result = loadConfig({ schema: documentSchema, file, env, overrides, ...(text !== undefined && { text }) });
  if (result.kind === 'invalid') return result;
  const { value: document, locate } = result;
  const cautions = said.cautions.map(({ key, message, hint, origin }) => ({ ...locate(key), origin, message, hint }));
  return { kind: 'ok', document, warnings: [...result.warnings, ...cautions], locate, overrides: said.overrides };
}

/** The same as a command line asks for it: with `--app`, the file is an application's, where the environment names nothing. */
export function readConfigurationFor({ values, terminal }: Invocation, file: string): Reading {
  if (values.app !== true) return readConfiguration(file, terminal.env);
  const result = readAppConfig(file, terminal.env);
  return result.kind === 'ok' ? { ...result, document: result.value, overrides: [] } : result;
}

/** Reads a configuration that has to be right; anything else is an OperatorError that lists every mistake. */
export function requireConfiguration(invocation: Invocation): { file: string; document: Document } {
  const file = configFile(invocation);
  const reading = readConfigurationFor(invocation, file);
  if (reading.kind === 'ok') return { file, document: reading.document };
  const hint =
    file === xivoEnvironment || existsSync(file)
      ? 'gatehouse check shows the same without starting anything'
      : 'name another with --config FILE';
  throw new OperatorError(`the configuration cannot be used\n${formatIssues(reading.issues)}`, hint);
}
