/** Finds where in the whole configuration a key belongs: for keys that are right but stand at the wrong place. */
import { dottedKey, type KeyPath } from './issue.ts';
import { alternatives, definitionOf, discriminatorValues, inputOf, type Schema, valueAt } from './schema.ts';

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
    const parents = [...new Set(places.map(({ parent }) => parent.join('.').replaceAll('.*', '.…')))];
    if (parents.length === 0 || parents.length > 3) return undefined;
    const names = parents.map((parent) => (parent === '' ? 'at the top of the file' : `under "${parent}"`));
    return `it belongs ${names.join(' or ')}${path.length > 0 ? `, not under "${dottedKey(path)}"` : ''}`;
  };
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
