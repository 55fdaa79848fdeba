/**
 * Looks into a zod schema from the outside: what may be written at a place, whether it is secret, what stands there when
 * it is left out. For error messages, the reference and the JSON Schema; checking itself is zod's.
 */
import * as z from 'zod';
import type { KeyPath } from './issue.ts';

/** Any schema. */
export type Schema = z.core.$ZodType;

/** Its definition, told apart by `type`. */
export type Definition = z.core.$ZodTypes['_zod']['def'];

/** What a schema takes as input, after everything wrapped around it is looked through. */
export interface Input {
  readonly schema: Schema;
  readonly definition: Definition;
  /** From `.describe()`; the outermost counts. */
  readonly description?: string;
  /** A short name of the kind of value, such as `duration`. */
  readonly title?: string;
  /** What follows “must be”, such as `a duration such as 500ms, 5s, 30m or 12h`. */
  readonly kind?: string;
  readonly isSecret: boolean;
  /** The path of a file that nobody else may read. */
  readonly isSecretFile: boolean;
  readonly isOptional: boolean;
  /** As a configuration would write it. */
  readonly fallback?: unknown;
}

/** The definition of a schema itself, wrappers and all. */
export function definitionOf(schema: Schema): Definition {
  return (schema as z.core.$ZodTypes)._zod.def;
}

/** The schema behind a wrapper (optional, default, transform …); undefined when it is none. */
function unwrapped(definition: Definition): Schema | undefined {
  switch (definition.type) {
    case 'optional':
    case 'nullable':
    case 'nonoptional':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
      return definition.innerType;
    case 'pipe':
      // A preprocessing step comes first and takes anything: what is checked stands behind it.
      return definitionOf(definition.in).type === 'transform' ? definition.out : definition.in;
    case 'lazy':
      return definition.getter();
    default:
      return undefined;
  }
}

/** Looks through the wrappers of a schema. */
export function inputOf(schema: Schema): Input {
  const found: { -readonly [Name in keyof Omit<Input, 'schema' | 'definition'>]: Input[Name] } = {
    isSecret: false,
    isSecretFile: false,
    isOptional: false,
  };
  let current = schema;
  for (;;) {
    const definition = definitionOf(current);
    const { description, title, kind, secret, secretFile } = z.globalRegistry.get(current) ?? {};
    if (description !== undefined) found.description ??= description;
    if (title !== undefined) found.title ??= title;
    if (typeof kind === 'string') found.kind ??= kind;
    found.isSecret ||= secret === true;
    found.isSecretFile ||= secretFile === true;
    if (['optional', 'default', 'prefault', 'catch'].includes(definition.type)) found.isOptional = true;
    if ((definition.type === 'default' || definition.type === 'prefault') && !('fallback' in found))
      found.fallback = definition.defaultValue;
    const inner = unwrapped(definition);
    if (!inner) return { ...found, schema: current, definition };
    current = inner;
  }
}

/** What may stand at a place: the schema itself, or each branch of a union. */
export function alternatives(schema: Schema, seen: ReadonlySet<Schema> = new Set()): Schema[] {
  const { schema: inner, definition } = inputOf(schema);
  if (definition.type === 'intersection')
    return [...alternatives(definition.left, seen), ...alternatives(definition.right, seen)];
  if (definition.type !== 'union' || seen.has(inner)) return [inner];
  const deeper = new Set(seen).add(inner);
  return definition.options.flatMap((option) => alternatives(option, deeper));
}

/** The values of a discriminator (`type:`) that lead to an object schema. */
export function discriminatorValues(option: Schema, discriminator: string): string[] {
  return [...(inputOf(option).schema._zod.propValues?.[discriminator] ?? [])].map(String);
}

/** The branches that fit a value: those that its discriminator names, else all. */
function branchesFor(schema: Schema, value: unknown): Schema[] {
  const { definition } = inputOf(schema);
  const discriminator = definition.type === 'union' && 'discriminator' in definition && definition.discriminator;
  if (definition.type !== 'union' || typeof discriminator !== 'string') return alternatives(schema);
  const named = valueAt(value, [discriminator]);
  const fitting = definition.options.filter(
    (option) => typeof named === 'string' && discriminatorValues(option, discriminator).includes(named),
  );
  return (fitting.length > 0 ? fitting : definition.options).flatMap((option) => alternatives(option));
}

/** What may stand under a key of a value; empty when no schema knows the key. */
export function schemasUnder(schema: Schema, value: unknown, step: string | number): Schema[] {
  return branchesFor(schema, value).flatMap((branch): readonly Schema[] => {
    const definition = definitionOf(branch);
    switch (definition.type) {
      case 'object': {
        const known = Object.hasOwn(definition.shape, step) ? definition.shape[String(step)] : undefined;
        const rest =
          definition.catchall && definitionOf(definition.catchall).type !== 'never' ? [definition.catchall] : [];
        return known ? [known] : rest;
      }
      case 'record':
        return [definition.valueType];
      case 'array':
        return [definition.element];
      case 'tuple':
        return [definition.items[Number(step)] ?? definition.rest].filter(
          (item) => item !== null && item !== undefined,
        );
      default:
        return [];
    }
  });
}

/** Whether a key is known in what may stand at a path. */
export function isKnownKey(schema: Schema, path: KeyPath, key: string): boolean {
  return schemasAt(schema, path)
    .flatMap((candidate) => alternatives(candidate))
    .some((branch) => {
      const definition = definitionOf(branch);
      return definition.type === 'object' && Object.hasOwn(definition.shape, key);
    });
}

/** The keys that a configuration cannot be without. */
export function requiredKeys(schema: Schema): string[] {
  const definition = inputOf(schema).definition;
  if (definition.type !== 'object') return [];
  return Object.entries(definition.shape).flatMap(([key, child]) => (inputOf(child).isOptional ? [] : [key]));
}

/** What may stand at a path, whatever `type:` stands beside it. */
export function schemasAt(schema: Schema, path: KeyPath): Schema[] {
  return path.reduce<Schema[]>(
    (schemas, step) => schemas.flatMap((candidate) => schemasUnder(candidate, undefined, step)),
    [schema],
  );
}

/** The value at a path of plain data; undefined when there is none. */
export function valueAt(document: unknown, path: KeyPath): unknown {
  let value = document;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** True for a mapping as YAML gives it. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
