/**
 * The text of a users file: read into users, and edited so that comments and order stay as they were.
 *
 *     users:
 *       agent1:
 *         name: Agent One
 *         email: agent1@example.com
 *         groups: [agents]
 *         password: "$argon2id$v=19$m=19456,t=2,p=1$…"   # by `gatehouse users passwd agent1`
 *         disabled: false
 *         tenant: acme
 *         phone: "+33123456789"
 *         verified: [email]                               # contacts that are known to be the user's
 *         mustChangePassword: true                        # at the next login
 *         attributes: { department: [support] }
 */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  YAMLMap,
} from 'yaml';
import * as z from 'zod';
import { firstSlip } from '../config/first-fault.ts';
import { OperatorError } from '../core/errors.ts';
import { canonicalUsername } from '../core/principal.ts';
import { isPasswordHash } from './passwords.ts';

/** A local user. `subject` is the canonical form of the name. */
export interface LocalUser {
  readonly subject: string;
  readonly username: string;
  readonly name?: string | undefined;
  readonly email?: string | undefined;
  readonly groups: readonly string[];
  /** Absent for one who is only looked up: such a user cannot sign in with a password. */
  readonly password?: string | undefined;
  readonly disabled: boolean;
  /** The name of a tenant of the configuration. */
  readonly tenant?: string | undefined;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
  readonly phone?: string | undefined;
  /** Which contacts are known to be the user's. */
  readonly verified?: readonly Contact[] | undefined;
  /** The password lets nobody in, but for choosing another. */
  readonly mustChangePassword?: boolean | undefined;
}

/** What codes and notices can be sent to. */
type Contact = (typeof contacts)[number];

const contacts = ['email', 'phone'] as const;

const text = z.string('must be text: a number needs quotes');
const texts = z.array(text);

const userSchema = z.strictObject({
  name: text.optional(),
  email: text.optional(),
  groups: texts
    .nullable()
    .default([])
    .transform((groups) => groups ?? []),
  password: text
    .refine(isPasswordHash, 'must be an argon2id hash; set it with: gatehouse users passwd NAME')
    .optional(),
  disabled: z.boolean().default(false),
  tenant: text.optional(),
  attributes: z
    .record(text, z.union([text.transform((value) => [value]), texts]))
    .default({})
    .refine((attributes) => !['name', 'email', 'groups'].some((name) => Object.hasOwn(attributes, name)), {
      message: 'must not hold name, email or groups: they stand beside it',
    }),
  phone: text.optional(),
  verified: z.array(z.enum(contacts)).optional(),
  mustChangePassword: z.boolean().optional(),
});

const maxName = 256;

/** Why a name cannot be a local user's; undefined when it can. */
export function nameProblem(username: string): string | undefined {
  if (canonicalUsername(username) === '') return 'is empty';
  if (username.length > maxName) return `is longer than ${maxName} characters`;
  if (username !== username.trim()) return 'begins or ends with a blank';
  return /[\p{Cc}\p{Cs}\u2028\u2029]/u.test(username) ? 'holds a control character' : undefined;
}

/** A users file as it was read. */
export interface UsersDocument {
  readonly document: Document.Parsed;
  /** By subject, in the order of the file. */
  readonly users: ReadonlyMap<string, LocalUser>;
}

/** Reads the text of a users file. Throws an OperatorError that names file, line and column of the first mistake. */
export function parseUsers(source: string, path: string): UsersDocument {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true });
  const fail = (offset: number | undefined, message: string): never => {
    const { line, col } = lines.linePos(offset ?? 0);
    throw new OperatorError(`${path}:${line}:${col}  ${message}`, 'correct the users file; see docs/configuration.md');
  };
  const slip = firstSlip(source);
  if (slip) throw new OperatorError(`${path}:${slip.span.line}:${slip.span.column}  ${slip.message}`, slip.hint);
  const users = new Map<string, LocalUser>();
  for (const pair of userPairs(document, fail)) {
    const offset = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
    const user = readUser(document, pair, (message) => fail(offset, message));
    const twin = users.get(user.subject);
    if (twin) fail(offset, `user ${user.username}: is the same name as ${twin.username}`);
    users.set(user.subject, user);
  }
  return { document, users };
}

/** What to change of a user: undefined leaves as it is, null takes away. */
export interface UserChange {
  readonly name?: string | null | undefined;
  readonly email?: string | null | undefined;
  readonly phone?: string | null | undefined;
  readonly tenant?: string | null | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly password?: string | undefined;
  readonly disabled?: boolean | undefined;
  readonly mustChangePassword?: true | null | undefined;
}

/** The text with users changed, or added where there are none of these names. */
export function editUsers({ document }: UsersDocument, changes: Iterable<readonly [string, UserChange]>): string {
  const root = document.contents;
  if (!isMap(root)) document.contents = document.createNode({}) as typeof document.contents;
  if (!isMap(document.get('users', true))) document.set('users', document.createNode({}));
  const users = document.get('users', true);
  if (!isMap(users)) throw new TypeError('the users are no map after one was set');
  const pairs = new Map(users.items.map((pair) => [canonicalUsername(nameOf(pair.key)), pair]));
  for (const [username, change] of changes) {
    const pair = pairs.get(canonicalUsername(username));
    if (pair && !isMap(pair.value) && !(isScalar(pair.value) && pair.value.value === null)) {
      throw new OperatorError(`the user ${username} is written as an alias`, 'write its keys out, then try again');
    }
    const user = pair && isMap(pair.value) ? pair.value : new YAMLMap();
    for (const [key, value] of Object.entries(change)) {
      if (value === null) user.delete(key);
      else if (value !== undefined) user.set(key, document.createNode(value, { flow: true }));
    }
    if (pair) pair.value = user;
    else {
      users.flow = false;
      users.items.push(document.createPair(username, user));
    }
  }
  return document.toString({ lineWidth: 0 });
}

/** The text without a user, whose own comments go too. There has to be one of that name. */
export function withoutUser({ document }: UsersDocument, username: string): string {
  const users = document.get('users', true);
  if (!isMap(users)) throw new TypeError('the users are no map where one of them was found');
  const subject = canonicalUsername(username);
  const anchors = new Set<string>();
  const isTheirs = ({ key }: Pair): boolean => canonicalUsername(nameOf(key)) === subject;
  visit(users.items.find(isTheirs)?.value as Node | null, {
    Node: (_, { anchor }) => void (anchor && anchors.add(anchor)),
  });
  users.items = users.items.filter((pair) => !isTheirs(pair));
  visit(document, {
    Alias: (_, { source }) => {
      if (anchors.has(source))
        throw new OperatorError(
          `another user has the alias *${source}, which stands for what is written at ${username}`,
          'write its keys out, then try again',
        );
    },
  });
  return document.toString({ lineWidth: 0 });
}

type Fail = (offset: number | undefined, message: string) => never;

function userPairs(document: Document.Parsed, fail: Fail): readonly Pair[] {
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) return [];
  if (!isMap(root)) return fail(root.range[0], 'must begin with the key users:');
  for (const { key } of root.items) {
    if (nameOf(key) !== 'users')
      fail(isScalar(key) ? key.range?.[0] : undefined, `unknown key ${nameOf(key)}; only users: stands at the top`);
  }
  const users = root.get('users', true);
  if (users === undefined || (isScalar(users) && users.value === null)) return [];
  return isMap(users) ? users.items : fail(users.range?.[0], 'users: must hold names, each with its own keys below');
}

function readUser(document: Document.Parsed, pair: Pair, fail: (message: string) => never): LocalUser {
  const username = nameOf(pair.key);
  const problem = nameProblem(username);
  if (problem) fail(`the user name ${JSON.stringify(username)} ${problem}`);
  const value = toValue(document, pair.value, fail);
  const { data, error } = userSchema.safeParse(value ?? {});
  if (data) return { subject: canonicalUsername(username), username, ...data };
  const [issue] = error.issues;
  const where = ['user', username, ...(issue?.path.map(String) ?? [])].join(' ');
  return fail(`${where}: ${issue?.message ?? 'cannot be read'}`);
}

/** Aliases are followed, but not into the millions. */
function toValue(document: Document.Parsed, node: unknown, fail: (message: string) => never): unknown {
  try {
    return isNode(node) ? (node.toJS(document) as unknown) : node;
  } catch (error) {
    return fail(error instanceof Error ? error.message : 'cannot be read');
  }
}

/** The name as it stands in the file: a plain `007` is a name too, not the number seven. */
function nameOf(key: unknown): string {
  return isScalar(key) ? (key.source ?? String(key.value)) : String(key);
}
