/** An example configuration in a folder of its own, with stand-ins for the files and the environment that a site has. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { rootCertificates } from 'node:tls';
import { parseDocument, visit } from 'yaml';
import { temporaryFolder } from '../tools/folder.ts';

const examples = path.resolve(import.meta.dirname, '../../../config/examples');
const siteFiles: readonly (readonly [RegExp, () => string])[] = [
  [/\.(?:pem|crt|cer)$/, () => rootCertificates[0] ?? ''],
  [
    /\.key$/,
    () =>
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  ],
  [/ia-roles\.ya?ml$/, () => readFileSync(path.join(examples, 'privileges/ia-roles.yml'), 'utf8')],
  [/\.(?:keytab|txt|secret|password|env|conf)$/, () => 'example\n'],
];

/** Puts the text where its relative paths lead into the folder, and makes what they name. */
export async function settleExample(
  t: TestContext,
  text: string,
): Promise<{ file: string; env: Record<string, string> }> {
  const file = path.join(await temporaryFolder(t), 'a', 'config', 'examples', 'gatehouse.yaml');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  const env: Record<string, string> = {};
  visit(parseDocument(text), {
    Pair(_key, pair) {
      if (String(pair.key) === 'env' && pair.value) env[String(pair.value)] = standIn(String(pair.value));
    },
    Scalar(_key, { value }) {
      const make = typeof value === 'string' ? siteFiles.find(([ending]) => ending.test(value))?.[1] : undefined;
      if (!make || typeof value !== 'string' || path.isAbsolute(value)) return;
      const wanted = path.resolve(path.dirname(file), value);
      mkdirSync(path.dirname(wanted), { recursive: true });
      if (!existsSync(wanted)) writeFileSync(wanted, make());
    },
  });
  return { file, env };
}

/** A value for a variable, unlike that of any other: secrets that must differ do. */
function standIn(variable: string): string {
  // These have a rule of their own.
  if (variable.includes('SHARED_SECRET')) return `Stand-in.1 for ${variable}`;
  return `https://${variable.toLowerCase().replaceAll('_', '-')}.example.com`;
}
