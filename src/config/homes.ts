/** Finds where in the whole configuration a key belongs: for keys that are right but stand at the wrong place. */
import { dottedKey, type KeyPath } from './issue.ts';
import {
  alternatives,
  definitionOf,
  discriminatorValues,
  inputOf,
  isKnownKey,
  type Schema,
  schemasAt,
  valueAt,
} from './schema.ts';

/** A place where a key is known: the path of what holds it, `*` for any name or position, and the type it needs. */
interface Home {
  readonly parent: readonly string[];
  readonly type?: { readonly discriminator: string; readonly value: string };
}

/** Builds the index of all keys of a schema, and answers where one belongs, in words. */
export function homesOf(schema: Schema, document: unknown): (key: string, path: KeyPath) => string | undefined {
  let homes: ReadonlyMap<string, readonly Home[]> | undefined;
  return (key, path) => {
    homes ??= indexOf(schema);
    const places = homes.get(key) ?? [];
    const types = new Set<string>();
    for (const { parent, type } of places) if (type && fits(parent, path)) types.add(type.value);
    const discriminator = places.find(({ parent, type }) => type && fits(parent, path))?.type?.discriminator;
    if (discriminator) {
      const present = valueAt(document, [...path, discriminator]);
      const known = `it is a key of "${discriminator}: ${[...types].slice(0, 3).join(', ')}"`;
      return typeof present === 'string' ? `${known}, not of "${discriminator}: ${present}"` : known;
    }
    return placesInWords(
      places.map(({ parent }) => parent),
      path,
    );
  };
}

/** Where a key belongs, by what its homes have to do with the place where it stands. */
function placesInWords(parents: readonly (readonly string[])[], path: KeyPath): string | undefined {
  const outer = parents.filter((parent) => parent.length < path.length && fits(parent, path.slice(0, parent.length)));
  const inner = parents.filter(
    (parent) =>
      parent.length > path.length && fits(parent.slice(0, path.length), path) && !parent.at(-1)?.includes('*'),
  );
  const related = [...inner, ...outer];
  // Of places that have nothing to do with this one, only those that there is one of say anything.
  const named = related.length > 0 ? related : parents.filter((parent) => !parent.includes('*'));
  const words = [...new Set(named.map((parent) => placeInWords(parent, path)))];
  if (words.length === 0 || words.length > 3) return undefined;
  const slip =
    inner.length > 0 && outer.length === 0
      ? ': indented too little?'
      : inner.length === 0 && outer.length > 0
        ? ': indented too far?'
        : '';
  const here = path.length > 0 ? `, not under "${dottedKey(path)}"` : '';
  return `it belongs ${words.join(' or ')}${here}${slip}`;
}

/** Names that a home leaves open are those of the place where the key stands. */
function placeInWords(parent: readonly string[], path: KeyPath): string {
  if (parent.length === 0) return 'at the top of the file';
  return `under "${dottedKey(parent.map((step, index) => (step === '*' ? (path[index] ?? '…') : step)))}"`;
}

/** A name of the operator's choice that is a section's own: what holds it, and where the section belongs. */
export interface StrayName {
  readonly path: KeyPath;
  readonly hint: string;
}

/**
 * The name on a path that is a key of something further out: `roles:` below `providers:` is read as a provider called
 * roles. Undefined where no name is.
 */
export function strayName(schema: Schema, path: KeyPath): StrayName | undefined {
  for (const [depth, step] of path.entries()) {
    const holder = path.slice(0, depth);
    const isName = schemasAt(schema, holder)
      .flatMap((candidate) => alternatives(candidate))
      .some((branch) => definitionOf(branch).type === 'record');
    if (!isName || typeof step !== 'string') continue;
    for (let outer = depth - 1; outer >= 0; outer--) {
      const at = path.slice(0, outer);
      if (!isKnownKey(schema, at, step)) continue;
      const where = outer === 0 ? 'at the top of the file' : `under "${dottedKey(at)}"`;
      return { path: path.slice(0, depth + 1), hint: `the section ${step} belongs ${where}: indented too far?` };
    }
  }
  return undefined;
}

function fits(parent: readonly string[], path: KeyPath): boolean {
  return parent.length === path.length && parent.every((step, index) => step === '*' || step === String(path[index]));
}

function indexOf(schema: Schema): ReadonlyMap<string, readonly Home[]> {
  const homes = new Map<string, Home[]>();
  const walk = (current: Schema, parent: readonly string[], above: ReadonlySet<Schema>): void => {
    const union = inputOf(current).definition;
    const discriminator = union.type === 'union' && 'discriminator' in union ? String(union.discriminator) : undefined;
    for (const branch of alternatives(current)) {
      if (above.has(branch)) continue;
      const inside = new Set(above).add(branch);
      const definition = definitionOf(branch);
      if (definition.type === 'array') walk(definition.element, [...parent, '*'], inside);
      if (definition.type === 'record') walk(definition.valueType, [...parent, '*'], inside);
      if (definition.type !== 'object') continue;
      const [value] = discriminator ? discriminatorValues(branch, discriminator) : [];
      const home: Home = discriminator && value !== undefined ? { parent, type: { discriminator, value } } : { parent };
      for (const [key, child] of Object.entries(definition.shape)) {
        homes.set(key, [...(homes.get(key) ?? []), home]);
        walk(child, [...parent, key], inside);
      }
    }
  };
  walk(schema, [], new Set());
  return homes;
}
