/** `npm run docs`: writes what is generated: of the schema the reference and the JSON Schema for editors, of a measurement its tables and its chart. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { performanceFiles } from '../bench/show/docs.ts';
import { jsonSchema, printReference } from '../src/config/reference.ts';
import { documentSchema } from '../src/gateway/document.ts';

/** Every generated file by its path from the root, with what must stand in it. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const introduction = [
    'Every key of `gatehouse.yaml`. This page is generated from the schema by `npm run docs`.',
    '',
    'Durations are written `500ms`, `5s`, `30m`, `12h` or `7d`, sizes `64kb` or `10mb`. A secret is a string,',
    '`{ env: NAME }` or `{ file: path }`. Relative paths are relative to the folder of the file.',
    'Unknown keys are errors. `gatehouse check` reports every error at once, each with its line and column.',
    '',
    'Editors that know YAML schemas complete and check the file when it begins with',
    '`# yaml-language-server: $schema=gatehouse.schema.json`.',
  ].join('\n');
  const schema = jsonSchema(documentSchema, {
    title: 'Gatehouse',
    description: 'The configuration of a Gatehouse gateway',
  });
  return new Map([
    ['docs/configuration.md', printReference(documentSchema, { title: 'Configuration', introduction })],
    ['src/cli/remedies.json', `${JSON.stringify(remedies(), null, 2)}\n`],
    ['config/gatehouse.schema.json', `${JSON.stringify(schema, null, 2)}\n`],
    ...performanceFiles(),
  ]);
}

/** The last column of the tables of reasons, without marks: what `gatehouse why` advises. */
function remedies(): Readonly<Record<string, string>> {
  const text = readFileSync(path.resolve(import.meta.dirname, '../docs/operations.md'), 'utf8');
  const [, tables = ''] = text.split(/^## Reasons$/m);
  const rows = [...tables.matchAll(/^\| ((?:`[a-z-]+`(?:, )?)+) \| [^|]+ \| ([^|]+) \|$/gm)];
  const plain = (cell: string): string => cell.replace(/\[([^\]]+)\]\([^)]+\)/g, '$1').replaceAll('`', '');
  return Object.fromEntries(
    rows.flatMap(([, names = '', remedy = '']) =>
      [...names.matchAll(/`([a-z-]+)`/g)].map(([, reason = '']) => [reason, plain(remedy)]),
    ),
  );
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [file, text] of generatedFiles()) {
    writeFileSync(path.resolve(import.meta.dirname, '..', file), text);
    console.log(`written: ${file}`);
  }
}
