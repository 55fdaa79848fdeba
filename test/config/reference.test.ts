/** The printed reference and the JSON Schema: every key is in them, and they say what the schema says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { jsonSchema, printReference } from '../../src/config/reference.ts';
import { byteSize, cidr, duration, filePath, httpUrl, secret } from '../../src/config/values.ts';
import { sampleSchema } from './sample.ts';

const reference = printReference(sampleSchema, { title: 'The sample', introduction: 'What can be written.' });
const schema = jsonSchema(sampleSchema, { title: 'gatehouse.yaml' });

/** A row of the reference, by its key. */
function row(key: string): string[] {
  const line = reference.split('\n').find((text) => text.startsWith(`| \`${key}\` |`));
  return (line ?? '')
    .split(/(?<!\\)\|/)
    .slice(2, -1)
    .map((text) => text.trim());
}

/** A place in the JSON Schema. */
function at(...keys: readonly string[]): Record<string, unknown> {
  return keys.reduce<Record<string, unknown>>((node, key) => node[key] as Record<string, unknown>, { ...schema });
}

const rows: Readonly<Record<string, [takes: string, fallback: string, about: string]>> = {
  'server.listen': ['http address or a list of them', '`http://127.0.0.1:8080`', 'where browsers connect'],
  'server.trustedProxies': ['list of networks', '`[]`', 'peers that are believed'],
  'server.maxConnections': ['whole number, at least 1', '`10000`', 'held at once'],
  'login.chain': ['list of text', '**required**', 'the providers, in order'],
  'login.timeout': ['duration', '`5s`', "each provider's deadline"],
  'login.lockout': ['mapping', '', 'failures before a delay'],
  'login.lockout.user': ['whole number, at least 1', '`5`', ''],
  providers: [
    'mapping of names to mappings with `type` `ldap`, `oidc` or `local`',
    '**required**',
    'what proves who they are',
  ],
  'providers.<name>.managerPassword': ['secret', '', 'its password'],
  'providers.<name>.groups.filter': ['text', '`member=%d`', ''],
  'routes[].location': ['text', '**required**', 'nginx\'s words: "/p" \\| "= /p"'],
  'routes[].upstream': ['http address, a list of them or mapping', '**required**', ''],
  'routes[].upstream.servers': ['http address or a list of them', '**required**', ''],
  'routes[].access': ['`public`, `deny` or mapping', '', 'who may pass'],
  'routes[].access.maxAge': ['duration', '', 'since credentials were last proved'],
  'routes[].maxBody': ['size', '`1gb`', 'of a request'],
  'log.level': ['`debug`, `info`, `warn` or `error`', '`info`', 'from this one on'],
};

for (const [key, want] of Object.entries(rows))
  test(`reference: ${key} says what it takes, its default and what it is`, () => {
    assert.deepEqual(row(key), want);
  });

test('reference: each type has its own table, and what all have in common is told once', () => {
  const headings = reference.split('\n').filter((line) => line.startsWith('### '));
  assert.deepEqual(headings, [
    '### `providers.<name>`, whatever its `type`',
    '### `providers.<name>` with `type: ldap`',
    '### `providers.<name>` with `type: oidc`',
    '### `providers.<name>` with `type: local`',
  ]);
  assert.equal(reference.split('`providers.<name>.timeout`').length, 2);
  assert.match(reference, /Any LDAP directory\./);
});

test('reference: the contents lead to a section for each key at the top', () => {
  for (const key of Object.keys(sampleSchema.shape)) {
    assert.match(reference, new RegExp(`^- \\[\`${key}\`\\]\\(#${key}\\)`, 'm'));
    assert.match(reference, new RegExp(`^## \`${key}\`$`, 'm'));
  }
});

test('reference: every kind of value that occurs is explained', () => {
  for (const kind of ['duration', 'http address', 'network', 'path', 'secret', 'size'])
    assert.match(reference, new RegExp(`^\\| ${kind} \\| [^|]+ \\|$`, 'm'));
});

test('reference: what stands in angle brackets is not lost as HTML', () => {
  const printed = printReference(
    z.strictObject({ a: z.strictObject({ b: z.string().describe('to <host>, as `<port>`') }) }),
  );
  assert.match(printed, /to &lt;host>, as `<port>`/);
});

test('reference: a schema that contains itself ends', () => {
  interface Tree {
    name: string;
    below?: Tree[] | undefined;
  }
  const tree: z.ZodType<Tree> = z.strictObject({ name: z.string(), below: z.lazy(() => z.array(tree)).optional() });
  assert.match(printReference(z.strictObject({ tree })), /`tree\.below\[\]\.name`|`tree\.below`/);
});

test('json schema: unknown keys are refused and required ones asked for, at every level', () => {
  assert.equal(schema.additionalProperties, false);
  assert.deepEqual(schema.required, ['login', 'providers', 'routes']);
  assert.deepEqual(at('properties', 'login').required, ['chain']);
  assert.equal(schema.title, 'gatehouse.yaml');
  assert.match(String(schema.$schema), /2020-12/);
});

test('json schema: descriptions and defaults stand where an editor shows them', () => {
  const timeout = at('properties', 'login', 'properties', 'timeout');
  assert.equal(timeout.default, '5s');
  assert.equal(timeout.description, "Each provider's deadline\n\nA duration such as 500ms, 5s, 30m or 12h");
  assert.equal(at('properties', 'server', 'properties', 'maxConnections').maximum, undefined);
});

test('json schema: a secret is text, a variable or a file', () => {
  const providers = at('properties', 'providers', 'additionalProperties').oneOf as Record<string, never>[];
  const ldap = providers[0]?.properties as unknown as Record<string, Record<string, unknown>>;
  const branches = ldap.managerPassword?.oneOf as Record<string, unknown>[];
  assert.deepEqual(
    branches.map(({ type }) => type),
    ['string', 'object', 'object'],
  );
  assert.deepEqual(
    branches.map(({ required }) => required),
    [undefined, ['env'], ['file']],
  );
});

test('json schema: none of our own metadata is left in it', () => {
  const keys = new Set<string>();
  JSON.stringify(schema, (key, value: unknown) => {
    keys.add(key);
    return value;
  });
  assert.equal(keys.has('kind'), false);
  assert.equal(keys.has('secret'), false);
});

const kinds = {
  duration: duration(),
  byteSize: byteSize(),
  filePath: filePath(),
  httpUrl: httpUrl(),
  cidr: cidr(),
  secret: secret(),
};

for (const [name, kind] of Object.entries(kinds))
  test(`json schema: ${name} has a title, a description and only examples that are right`, () => {
    const { value } = jsonSchema(z.strictObject({ value: kind })).properties as Record<string, Record<string, unknown>>;
    assert.equal(typeof value?.title, 'string');
    assert.equal(typeof value?.description, 'string');
    const pattern = new RegExp(String(value?.pattern ?? ''));
    for (const example of (value?.examples ?? []) as unknown[]) {
      assert.equal(kind.safeParse(example).success, true, String(example));
      assert.match(String(example), pattern);
    }
  });
