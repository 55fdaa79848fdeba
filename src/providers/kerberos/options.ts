/** The options of Kerberos, and what they mean put together. */
import { accessSync, constants } from 'node:fs';
import * as z from 'zod';
import { cidr, filePath } from '../../config/values.ts';
import { OperatorError } from '../../core/errors.ts';
import { type KeytabEntry, readKeytab } from './keytab.ts';
import { isSpn, readSpn, type Spn, spnText } from './names.ts';

const principal = () =>
  z
    .string()
    .meta({
      kind: 'a service principal such as HTTP/cc.example.com@EXAMPLE.COM',
      examples: ['HTTP/cc.example.com@EXAMPLE.COM'],
    })
    .transform((text, context): Spn => {
      const spn = readSpn(text);
      if (spn?.service === 'HTTP') return spn;
      const message =
        'must be such as HTTP/cc.example.com@EXAMPLE.COM; browsers ask for tickets of HTTP/ and the host of the address';
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    });

const realm = () => z.string().regex(/^[^\s/@\\]+$/, 'must be a realm such as EXAMPLE.COM');

const fate = z.union([
  z.enum(['strip', 'keep']),
  z.strictObject({
    suffix: z
      .string()
      .regex(/^[^\s\p{L}\p{N}\\/][^\s\\/]*$/u, 'must begin with a sign, such as .partner')
      .describe('stands behind the user name in place of the realm'),
  }),
]);

/** The options as they stand in the configuration. */
export const kerberosOptions = z.strictObject({
  principal: z
    .union([principal(), z.array(principal()).min(1).max(64)])
    .transform((value) => [value].flat())
    .describe("the gateway's own names in Kerberos, HTTP/ and the host that browsers see; one or a list"),
  keytab: filePath().describe('the file with the keys of these principals; chmod 600'),
  krb5Config: filePath().optional().describe("krb5.conf; the machine's when absent"),
  replayCache: filePath()
    .optional()
    .describe('where seen tickets are noted, for containers whose /var/tmp is read-only; shared by all workers'),
  realms: z
    .union([
      z.array(realm()).min(1),
      z.record(realm(), fate).refine((fates) => Object.keys(fates).length > 0, 'must name a realm'),
    ])
    .optional()
    .describe(
      "whose users may come in: a list, the first realm's names stripped and the others' kept; or strip, keep or { suffix } for each. The keytab's realm when absent",
    ),
  lookup: z
    .string()
    .optional()
    .describe('the provider in whose directory users are then looked up: attributes, groups, and whether they exist'),
  networks: z.array(cidr()).min(1).optional().describe('clients that are asked for a ticket; all when absent'),
});

/** The options after they have been read. */
export type KerberosOptions = z.output<typeof kerberosOptions>;

/** What the keytab says of the options. */
interface KeytabReading {
  /** The realms that the keys of our principals are of. */
  readonly realms: readonly string[];
  /** Principals that lack a key, while others have one. */
  readonly lacking: readonly Spn[];
}

/**
 * Checks what only shows on this machine, and throws an OperatorError that says what to do: a keytab that cannot be read, one
 * without any key of ours, a krb5.conf that is not there.
 */
export function checkFiles(name: string, options: KerberosOptions): KeytabReading {
  const { principal: spns, keytab, krb5Config, lookup } = options;
  if (lookup === name)
    throw new OperatorError(`providers.${name}.lookup: names itself`, 'name the provider of a directory');
  if (krb5Config !== undefined && !isReadable(krb5Config)) {
    const hint = 'name a krb5.conf that this user may read, or drop the option';
    throw new OperatorError(`providers.${name}.krb5Config: ${krb5Config} cannot be read`, hint);
  }
  const entries = readKeytab(keytab);
  const ours = entries.filter(({ principal }) => spns.some((spn) => isSpn(principal, spn)));
  const realms = [...new Set(ours.flatMap(({ principal }) => readSpn(principal)?.realm ?? []))];
  if (ours.length > 0) return { realms, lacking: withoutKey(entries, spns) };
  const there = [...new Set(entries.map(({ principal }) => principal))].slice(0, 8).join(', ');
  throw new OperatorError(
    `providers.${name}: the keytab ${keytab} has no key of ${spns.map(spnText).join(', ')}`,
    there === '' ? 'it is empty; export it again' : `it has: ${there}; correct principal, or export the keytab again`,
  );
}

/** The principals for which a keytab has no key. */
export function withoutKey(entries: readonly KeytabEntry[], spns: readonly Spn[]): readonly Spn[] {
  return spns.filter((spn) => !entries.some(({ principal }) => isSpn(principal, spn)));
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
