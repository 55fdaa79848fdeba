/** The JSON Schema of a configuration, for editors: what may be written, before anything is resolved. */
import * as z from 'zod';
import { inputOf, type Schema } from './schema.ts';

/** How the JSON Schema presents itself. */
export interface JsonSchemaOptions {
  readonly title?: string;
  readonly description?: string;
}

type Node = z.core.JSONSchema.BaseSchema;

/** A JSON Schema (draft 2020-12) fit for yaml-language-server. */
export function jsonSchema(schema: Schema, options: JsonSchemaOptions = {}): Readonly<Record<string, unknown>> {
  const { $schema, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: node }) => edit(node, zodSchema),
  });
  const title = options.title ?? 'Configuration';
  return { $schema, title, ...(options.description && { description: options.description }), ...plain(rest) };
}

/** Puts what our own metadata says where an editor shows it. */
function edit(node: Node, schema: Schema): void {
  const { kind, description, isSecret } = inputOf(schema);
  delete node.kind;
  delete node.secret;
  delete node.secretFile;
  const words = [description, kind].filter((part) => part !== undefined).map(sentence);
  if (words.length > 0) node.description = words.join('\n\n');
  if (isSecret && node.anyOf) {
    node.oneOf = node.anyOf;
    delete node.anyOf;
  }
  // Editors show this bound beside every whole number, and nobody has set it.
  if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum;
  if (node.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Without zod's own helpers: nothing but what a file can hold. */
function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
}
