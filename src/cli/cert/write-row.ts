/** Writes a row into a configuration, where the result is a configuration that can be used. */
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { insertRow, type NewRow } from '../../config/insert-row.ts';
import { formatIssues } from '../../config/report.ts';
import { OperatorError } from '../../core/errors.ts';
import { replaceFile } from '../../users/safe-write.ts';
import { readConfiguration } from '../configuration.ts';

/** Comments and order stay; a text that would be no good is not written. */
export function writeRow(config: string, row: NewRow, env: Readonly<Record<string, string | undefined>>): void {
  const text = insertRow(readFileSync(config, 'utf8'), row);
  const byHand = `put it there by hand, under ${row.into.join('.')}:\n${row.key}: ${row.value}`;
  if (text === undefined)
    throw new OperatorError(
      `${config} has ${[...row.into, row.key].join('.')} already, or no certain place for it`,
      byHand,
    );
  const reading = readConfiguration(config, env, text);
  if (reading.kind === 'invalid')
    throw new OperatorError(
      `with the row ${config} could not be used, and stays as it is\n${formatIssues(reading.issues)}`,
      byHand,
    );
  const { mode } = statSync(config);
  replaceFile(config, text);
  chmodSync(config, mode & 0o777);
}
