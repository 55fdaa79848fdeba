/** Finds the files that nginx's configuration names: includes with their wildcards, and certificates. Files only. */
import { accessSync, constants, existsSync, globSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { Include } from '../../interop/nginx/parse.ts';
import { textOf } from '../xivo-files.ts';

/** Where nginx has its configuration; what names it is looked for under `--prefix`. */
const home = '/etc/nginx/';

/** Finds files from a main file: relative names begin at the prefix, else at the folder of the main file. */
export class NginxFiles {
  readonly #prefix: string | undefined;
  readonly #folder: string;

  constructor(main: string, prefix: string | undefined) {
    this.#prefix = prefix;
    this.#folder = prefix ?? dirname(main);
  }

  /** What an include names. A wildcard that fits nothing is nothing; nginx takes files in order and leaves hidden ones out. */
  readonly include: Include = (pattern, from) => {
    const places = this.#places(pattern, from);
    if (/[*?[]/.test(pattern)) {
      for (const place of places) {
        const found = globSync(place)
          .filter((path) => isFile(path) && (!basename(path).startsWith('.') || basename(pattern).startsWith('.')))
          .sort();
        if (found.length > 0) return found.map((file) => ({ file, text: textOf(file) }));
      }
      return [];
    }
    const file = places.find(isFile);
    return file === undefined ? undefined : [{ file, text: textOf(file) }];
  };

  /** The path of a file that can be read here. */
  readonly readable = (path: string): string | undefined => {
    if (path === '' || path.includes('$')) return undefined;
    return this.#places(path, join(this.#folder, 'nginx.conf'))
      .filter(isFile)
      .map((place) => resolve(place))
      .find((place) => {
        try {
          accessSync(place, constants.R_OK);
          return true;
        } catch {
          return false;
        }
      });
  };

  #places(name: string, from: string): string[] {
    const places = isAbsolute(name) ? [name] : [join(this.#folder, name), join(dirname(from), name)];
    // A copy of nginx's folder stands for it.
    if (this.#prefix !== undefined && name.startsWith(home))
      places.unshift(join(this.#prefix, name.slice(home.length)));
    return places;
  }
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}
