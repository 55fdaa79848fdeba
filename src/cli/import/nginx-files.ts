/** Finds the files that nginx's configuration names: includes with their wildcards, and certificates. Files only. */
import { accessSync, constants, existsSync, globSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { Include } from '../../interop/nginx/parse.ts';
import { textOf } from '../xivo-files.ts';

/** A folder that stands for another one; for nginx's own where none is named. */
export interface Root {
  readonly from?: string;
  readonly folder: string;
}

const home = '/etc/nginx';

/** Finds files from a main file: relative names begin at the prefix, else at the folder of the main file. */
export class NginxFiles {
  readonly #roots: readonly Root[];
  readonly #folder: string;

  constructor(main: string, roots: readonly Root[]) {
    this.#roots = roots.toSorted((a, b) => (b.from ?? home).length - (a.from ?? home).length);
    this.#folder = roots.find(({ from }) => from === undefined)?.folder ?? dirname(main);
  }

  /** What an include names. A wildcard that fits nothing is nothing; nginx takes files in order and leaves hidden ones out. */
  readonly include: Include = (pattern, from) => {
    const places = this.#places(pattern, from);
    if (/[*?[]/.test(pattern)) {
      for (const place of places) {
        const found = globSync(place)
          .filter((path) => isFile(path) && (!basename(path).startsWith('.') || basename(pattern).startsWith('.')))
          .sort();
        if (found.length > 0) return found.map((file) => ({ file, text: textOf(file, { escapesBytes: true }) }));
      }
      return [];
    }
    const file = places.find(isFile);
    return file === undefined ? undefined : [{ file, text: textOf(file, { escapesBytes: true }) }];
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

  /** What a folder stands for is looked for in it alone: the machine's own would be another configuration. */
  #places(name: string, from: string): string[] {
    if (!isAbsolute(name)) return [join(this.#folder, name), join(dirname(from), name)];
    const root = this.#roots.find((one) => name.startsWith(`${one.from ?? home}/`));
    return root ? [join(root.folder, name.slice((root.from ?? home).length))] : [name];
  }
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}
