/** `gatehouse cert import`: what came from an authority is judged, put in its place, and named in the configuration. */
import path from 'node:path';
import { OperatorError } from '../../core/errors.ts';
import { exitCodes, type Invocation, textOption, UsageError } from '../command.ts';
import { requireConfiguration } from '../configuration.ts';
import { importAuthority } from './import-authority.ts';
import { importListener } from './import-listener.ts';
import { importPeer } from './import-peer.ts';
import type { Import, Imported } from './imported.ts';
import { readMaterial } from './material.ts';
import { Passwords } from './passwords.ts';
import { writeRow } from './write-row.ts';

const kinds: Readonly<Record<string, (load: Import) => Promise<Imported>>> = {
  listener: importListener,
  peer: importPeer,
  authority: importAuthority,
};

/** Runs the command. */
export async function importCertificates(invocation: Invocation, files: readonly string[]): Promise<number> {
  const [, kind = '', name = ''] = /^(\w+):([A-Za-z0-9][\w.-]*)$/.exec(textOption(invocation, 'as') ?? '') ?? [];
  const run = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (files.length === 0 || !run)
    throw new UsageError(
      'cert import takes FILE... and --as listener:NAME, peer:NAME or authority:NAME',
      'such as: gatehouse cert import qms01.cer --as listener:machines',
    );
  const { file: config, document } = requireConfiguration(invocation);
  const passwords = new Passwords(invocation.terminal);
  const materials = [];
  for (const file of files) materials.push(await readMaterial(file, passwords, 'name the file that came'));
  const unique = new Map(materials.flatMap(({ certificates }) => certificates).map((one) => [one.fingerprint256, one]));
  const imported = await run({
    name,
    document,
    config,
    files,
    certificates: [...unique.values()],
    keys: materials.flatMap(({ keys }) => keys ?? []),
    keyFile: textOption(invocation, 'key'),
    services: (textOption(invocation, 'services') ?? '').split(',').filter(Boolean),
    passwords,
    now: Date.now(),
  });
  const { terminal } = invocation;
  for (const remark of imported.remarks) terminal.stderr.write(`warning: ${remark}\n`);
  terminal.stdout.write(imported.said.map((line) => `${line}\n`).join(''));
  const { row } = imported;
  if (!row) return exitCodes.good;
  if (invocation.values.write !== true) {
    terminal.stdout.write(`put this into ${path.basename(config)}${row.under}:\n${row.text}\n`);
    return exitCodes.good;
  }
  if (!row.insert)
    throw new OperatorError(
      `where this goes in ${config} only you can say; the files are in their places`,
      `put it there by hand:\n${row.text}`,
    );
  writeRow(config, row.insert, terminal.env);
  terminal.stdout.write(`${config} has the row: gatehouse reload puts it to use\n`);
  return exitCodes.good;
}
