/** Reads the files that XiVO's settings name: `xuc.conf` with what it includes, and the realm of krb5.conf. Files only. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readSource } from '../config/source.ts';
import { OperatorError } from '../core/errors.ts';
import { type HoconFile, readHocon } from '../interop/hocon/hocon.ts';
import { javaProperties, javaWords, type Setting, type Settings } from '../interop/xivo/settings.ts';
import { defaultRealmOf, machineKrb5 } from '../interop/xivo/xivo.ts';

/** In comments of other programs' files, letters of any encoding may stand. */
const escaped = { escapesBytes: true };

/** Reads an `xuc.conf`; messages name it as it is given. Throws an OperatorError that names the place. */
export function readConf(file: string, env: Readonly<Record<string, string | undefined>>): HoconFile {
  return readHocon(textOf(file, escaped), { file, env, files: findIncluded });
}

/** What an include names: the file itself, or with the ending that HOCON lets one leave out. */
function findIncluded(name: string, from: string): { file: string; text: string } | undefined {
  const found = ['', '.conf', '.json']
    .map((ending) => resolve(dirname(from), name + ending))
    .find((path) => existsSync(path));
  return found === undefined ? undefined : { file: found, text: textOf(found, escaped) };
}

/**
 * The realm that a principal without one has: `default_realm` of the file given, else of the one Java or the machine uses.
 * `hostPath` says where a file is that the settings name by its path in a container.
 */
export function readDefaultRealm(
  settings: Settings,
  file?: string,
  hostPath = (path: string): string => path,
): Setting | undefined {
  const options = settings.get('JAVA_OPTS');
  if (!options?.value.includes('krb5')) return undefined;
  const { properties } = javaProperties(javaWords(options), options.origin);
  const inside = properties.get('java.security.krb5.conf')?.value ?? settings.get('KRB5_CONFIG')?.value.split(':')[0];
  const named = file ?? (inside === undefined ? undefined : hostPath(inside));
  const path = named ?? hostPath(machineKrb5);
  if (named === undefined && !existsSync(path)) return undefined;
  return defaultRealmOf(textOf(path, escaped), path);
}

/**
 * The text of a file. Throws an OperatorError that says why there is none. With `escapesBytes`, what is no UTF-8 is left to
 * who reads the text, as `readSource` has it.
 */
export function textOf(file: string, options: { readonly escapesBytes?: boolean } = {}): string {
  const read = readSource(file, options);
  if ('text' in read) return read.text;
  const { message, hint, span } = read.flaw;
  if (span) throw new OperatorError(`${file}:${span.line}:${span.column}  the file ${message}`, hint);
  throw new OperatorError(`the file ${file} ${message}`, hint);
}
