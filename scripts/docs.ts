/** `npm run docs`: writes what is generated from the schema, the reference and the JSON Schema for editors. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
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
    ['config/gatehouse.schema.json', `${JSON.stringify(schema, null, 2)}\n`],
  ]);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [file, text] of generatedFiles()) {
    writeFileSync(path.resolve(import.meta.dirname, '..', file), text);
    console.log(`written: ${file}`);
  }
}
