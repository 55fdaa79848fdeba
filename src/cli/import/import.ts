/** `gatehouse import`: prints other programs' configurations as ours. What each of them says is `interop/`'s. */
import type { Command, Invocation } from '../command.ts';
import { importGenesys } from './genesys.ts';
import type { Importer } from './importer.ts';
import { importNginxFiles } from './nginx.ts';
import { importRoles } from './roles.ts';
import { importXivo } from './xivo.ts';

const importers: Readonly<Record<string, Importer>> = {
  xivo: importXivo,
  nginx: importNginxFiles,
  roles: importRoles,
  genesys: importGenesys,
};

/** The command; its options are those of all importers, and each takes its own only. */
export const importCommand: Command = {
  usage: Object.values(importers)
    .map(({ usage }) => `gatehouse import ${usage}`)
    .join('\n  '),
  summary: 'print the configuration of another program as ours, and what could not be translated',
  help: Object.values(importers)
    .map(({ help }) => help)
    .join('\n\n'),
  takesWords: true,
  options: Object.assign({}, ...Object.values(importers).map(({ options }) => options)),
  run: runImport,
};

async function runImport(invocation: Invocation): Promise<number> {
  const { values, positionals, terminal } = invocation;
  const [kind = '', ...rest] = positionals;
  const importer = Object.hasOwn(importers, kind) ? importers[kind] : undefined;
  const strange = Object.keys(values).filter((name) => importer && !Object.hasOwn(importer.options, name));
  if (importer && strange.length === 0) return importer.run({ ...invocation, positionals: rest });
  if (importer) terminal.stderr.write(`gatehouse import ${kind} takes no --${strange.join(', --')}\n`);
  terminal.stderr.write(`usage: ${importCommand.usage}\n`);
  return 2;
}
