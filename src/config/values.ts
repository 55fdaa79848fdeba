/**
 * The kinds of values a configuration holds: durations, secrets, files, addresses. Rooms build their options from them.
 * Their metadata (`title`, `kind`, `examples`, `secret`) is what messages, the reference and the JSON Schema say of them.
 */
import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { resolve } from 'node:path';
import * as z from 'zod';
import { type Network, plainAddress } from '../core/address.ts';
import { Secret } from '../core/secret.ts';
import { readContext } from './context.ts';
import { curlyQuotes, durationHint, straightQuotes } from './value-hints.ts';

const unitMilliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const durationWords = 'a duration such as 500ms, 5s, 30m or 12h';

/** A span of time such as `500ms`, `5s`, `30m`, `12h`, `7d`; yields milliseconds. */
export function duration() {
  return z
    .string()
    .meta({
      title: 'duration',
      kind: durationWords,
      pattern: '^\\d{1,9}(ms|s|m|h|d)$',
      examples: ['500ms', '5s', '30m', '12h'],
    })
    .transform((text, context) => {
      if (/^\d{1,9}(ms|s|m|h|d)$/.test(text))
        return Number.parseInt(text, 10) * (unitMilliseconds[text.replace(/^\d+/, '')] ?? 1);
      const hint = durationHint(text);
      // The checks across keys go on: a wrong duration hides none of their mistakes.
      const words = { message: `must be ${durationWords}`, ...(hint && { params: { hint } }) };
      context.addIssue({ code: 'custom', continue: true, ...words });
      return 1;
    });
}

const sizeWords = 'a size such as 64kb or 10mb';

/** A number of bytes such as `512kb` or `64mb`; `0` is no limit. Yields bytes. */
export function byteSize() {
  return z
    .union([z.literal(0), z.string().regex(/^\d{1,9}(b|kb|mb|gb)$/, `must be ${sizeWords}`)])
    .meta({ title: 'size', kind: `${sizeWords} (0 is no limit)`, examples: ['64kb', '10mb', 0] })
    .transform((size) => {
      if (size === 0) return 0;
      const factor = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }[size.replace(/^\d+/, '')] ?? 1;
      return Number.parseInt(size, 10) * factor;
    });
}

/** A path, made absolute against the folder of the configuration file. The file need not exist. */
export function filePath() {
  return z
    .string()
    .min(1)
    .meta({ title: 'path', kind: 'a path (a relative one begins at the folder of this file)' })
    .transform((path) => resolve(readContext().directory, path));
}

/** The text of a file named by a path; a file that cannot be read is an error at the key that names it. */
export function fileText() {
  return filePath().transform((path, context) => {
    const text = readText(path, (message) => context.addIssue({ code: 'custom', message }));
    return text ?? z.NEVER;
  });
}

/** A password or key: a string, `{ env: NAME }` or `{ file: path }`. A trailing line break of a file is not part of it. */
export function secret() {
  const reference = z
    .union([z.string().min(1, 'must not be empty').meta({ description: 'the secret itself' }), ...secretReferences()])
    .meta({ title: 'secret', kind: 'a secret: text, { env: NAME } or { file: path }', secret: true });
  return reference.transform((value, context) =>
    typeof value === 'string' ? new Secret(value) : readSecret(value, context),
  );
}

/** A secret that stands elsewhere, where text of the same key is none: `{ env: NAME }` or `{ file: path }`. */
export function secretElsewhere() {
  return z.union(secretReferences()).transform(readSecret);
}

/** The ways to name a secret that stands elsewhere, for a union; what is written so `readSecret` reads. */
export function secretReferences() {
  return [
    z.strictObject({ env: z.string().min(1).describe('the environment variable that holds it') }),
    z.strictObject({ file: z.string().min(1).describe('the file that holds it').meta({ secretFile: true }) }),
  ] as const;
}

/** The secret behind a reference; one that cannot be read is an error at its key. */
export function readSecret(
  value: { readonly env: string } | { readonly file: string },
  context: z.RefinementCtx,
): Secret {
  const fail = (message: string): typeof z.NEVER => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  if ('env' in value) {
    const found = readContext().env[value.env];
    return found
      ? new Secret(found)
      : fail(`the environment variable ${value.env} is not set; set it, or use { file: … }`);
  }
  const text = readText(resolve(readContext().directory, value.file), fail)?.replace(/\r?\n$/, '');
  if (text === undefined) return z.NEVER;
  return text === '' ? fail(`the file ${value.file} is empty; it must hold the secret`) : new Secret(text);
}

/** One of something, or a list of them; yields a list. */
export function oneOrMore<Item extends z.ZodType>(item: Item) {
  return z
    .union([item, z.array(item).min(1)])
    .transform((value) => (Array.isArray(value) ? value : [value]) as z.output<Item>[]);
}

/** An http or https address without user name, query or fragment. */
export function httpUrl() {
  const address = z.string().meta({
    title: 'http address',
    kind: 'an http:// or https:// address',
    pattern: '^[hH][tT][tT][pP][sS]?://[^/?#@]+(/[^?#]*)?$',
    examples: ['http://127.0.0.1:8080', 'https://cc.example.com'],
  });
  return address.transform((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isPlain = !/[${}]/.test(url?.host ?? '');
    if (url && isPlain && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash)
      return url;
    const message = 'must be an http:// or https:// address without user name, query or fragment';
    const hint = addressHint(text);
    context.addIssue({ code: 'custom', message, ...(hint && { params: { hint } }) });
    return z.NEVER;
  });
}

/** A host without its scheme, quotes that are letters, a variable that nobody puts in. */
function addressHint(text: string): string | undefined {
  if (curlyQuotes.test(text)) return straightQuotes;
  if (/\$\{?\w/.test(text)) return 'write the host itself: no variable is put in here';
  return /^(?:[\w-]+(?:\.[\w-]+)*|\[[\da-f:]+\])(?::\d{1,5})?(?:\/[^?#@]*)?$/i.test(text)
    ? `write http://${text}`
    : undefined;
}

/** A network such as `10.0.0.0/8` or a single address; yields its address, prefix length and family. */
export function cidr() {
  const network = z.string().meta({
    title: 'network',
    kind: 'a network such as 10.0.0.0/8, or a single address',
    pattern: '^[0-9a-fA-F:.]+(/[0-9]{1,3})?$',
    examples: ['10.0.0.0/8', '127.0.0.1', 'fd00::/8'],
  });
  return network.transform((text, context) => {
    const [address = '', bits, ...more] = text.split('/');
    const family = isIP(address);
    const width = family === 6 ? 128 : 32;
    const prefix = bits === undefined ? width : Number(bits);
    // A zone (`fe80::1%eth0`) is an interface of one machine, not a network.
    const isOdd = more.length > 0 || address.includes('%');
    if (isOdd || family === 0 || !/^\d{1,3}$/.test(bits ?? '0') || prefix > width) {
      context.addIssue({ code: 'custom', message: 'must be a network such as 10.0.0.0/8, or a single address' });
      return z.NEVER;
    }
    return { address, prefix, family: family === 6 ? ('ipv6' as const) : ('ipv4' as const) };
  });
}

/** Whether an address lies in one of the networks; IPv4 addresses mapped into IPv6 count as IPv4. */
export function networks(list: readonly Network[]): (address: string) => boolean {
  const block = new BlockList();
  for (const { address, prefix, family } of list) block.addSubnet(address, prefix, family);
  const judge = (address: string): boolean => {
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && block.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  };
  return list.length === 0 ? () => false : remember(judge);
}

/** Whether a network holds another one, or is the same. */
export function holdsNetwork(outer: Network, inner: Network): boolean {
  return outer.prefix <= inner.prefix && networks([outer])(inner.address);
}

/** Whether two networks have an address in common: then one of them holds the other. */
export function overlap(a: Network, b: Network): boolean {
  return holdsNetwork(a, b) || holdsNetwork(b, a);
}

/** Words of the operator for visitors: one text, or one for each language by its two letters. */
export function wordsForVisitors(maxLength?: number) {
  const words = z.string().trim().min(1);
  const text = maxLength === undefined ? words : words.max(maxLength);
  const language = z.string().regex(/^[a-z]{2}$/, 'must be a language in two letters, such as fr');
  return z.union([text, z.record(language, text).refine((texts) => Object.keys(texts).length > 0, 'must hold a text')]);
}

const maxRemembered = 1024;

/** Peers come again and again: what was found of the first ones is kept, and no more, for anybody can be a peer. */
function remember(judge: (address: string) => boolean): (address: string) => boolean {
  const known = new Map<string, boolean>();
  return (address) => {
    const kept = known.get(address);
    if (kept !== undefined) return kept;
    const verdict = judge(address);
    if (known.size < maxRemembered && address.length < 64) known.set(address, verdict);
    return verdict;
  };
}

function readText(path: string, fail: (message: string) => unknown): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    fail(`the file ${path} ${unreadable(error)}`);
    return undefined;
  }
}

/** Why a file cannot be read, to stand behind its name. */
export function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  if (code === 'ENOENT') return 'does not exist';
  return code === 'EACCES' ? 'may not be read by this user' : `cannot be read (${code})`;
}
