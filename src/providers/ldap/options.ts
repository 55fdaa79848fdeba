/** The options of an LDAP directory, and what they mean put together. */
import * as z from 'zod';
import { duration, secret } from '../../config/values.ts';
import { isDn } from '../../core/dn.ts';
import type { Secret } from '../../core/secret.ts';
import { caBundle, pins } from '../../remote/trust-options.ts';
import { type CertificateListener, tlsClientOptions } from '../../tls/client.ts';
import type { OptionProblem } from '../define.ts';
import { FilterTemplate } from './filter.ts';
import type { GroupSource } from './groups.ts';
import { readServer, type Security } from './transport.ts';

const attributeName = () =>
  z
    .string()
    .regex(/^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)(?:;[A-Za-z0-9-]+)*$/, 'must be the name of an LDAP attribute');

const dn = () => z.string().refine(isDn, 'must be a DN such as ou=people,dc=example,dc=com');

/** Active Directory also takes `user@domain` and `DOMAIN\\user`. */
const bindName = () =>
  z
    .string()
    .refine(
      (text) => isDn(text) || /^[^\s@\\]+[@\\][^\s@\\]+$/.test(text),
      'must be a DN such as uid=reader,ou=people,dc=example,dc=com, or for Active Directory user@domain',
    );

const server = () =>
  z.string().transform((text, context) => {
    const found = readServer(text);
    if (found) return found;
    context.addIssue({ code: 'custom', message: 'must be ldap://host:389 or ldaps://host:636, with nothing after it' });
    return z.NEVER;
  });

const filter = () =>
  z.string().transform((text, context) => {
    try {
      return new FilterTemplate(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });

const domain = () =>
  z
    .string()
    .regex(/^[^\s@\\/]+$/, 'must be a domain such as CORP or corp.example.com, as it stands before \\ or behind @');

const groupSearch = z.strictObject({
  searchBase: dn().describe('where groups are'),
  filter: filter().prefault('member=%d').describe('finds them; %d is the DN of the user, %s the user name'),
  attribute: attributeName().default('cn').describe('what names a group; dn for its whole DN'),
  nested: z.boolean().default(false).describe('groups in groups count too'),
});

const listedGroups = z.strictObject({
  memberOf: z
    .union([z.literal(true), attributeName()])
    .describe('the groups stand in the entry of the user: true for memberOf, or the name of another attribute'),
  attribute: z
    .enum(['rdn', 'dn'])
    .default('rdn')
    .describe('what names a group: the first part of its DN, or the whole'),
  nested: z.boolean().default(false).describe('groups in groups count too'),
});

/** The options as they stand in the configuration. */
export const ldapOptions = z.strictObject({
  url: z
    .union([server(), z.array(server()).min(1).max(8)])
    .transform((value) => [value].flat())
    .describe('ldaps://host:636, or ldap://host:389; a list is tried in order'),
  startTls: z.boolean().default(false).describe('has ldap:// connections switch to TLS before anything else'),
  ca: caBundle()
    .optional()
    .describe(
      "PEM file of the certificate authorities (CAs) that signed the certificate of the server; the machine's when absent",
    ),
  pins: pins()
    .optional()
    .describe(
      "pins of public keys or thumbprints of certificates, one of which must be the server's, besides a good chain",
    ),
  servername: z
    .string()
    .min(1)
    .optional()
    .describe('the name the certificate must carry, when it is not the host of the URL'),
  managerDn: bindName().optional().describe('who searches for users; needs read access only; anonymous when absent'),
  managerPassword: secret().optional().describe('its password'),
  bindDn: bindName().optional().describe('the same as managerDn, under the name that other programs have for it'),
  bindPassword: secret().optional().describe('the same as managerPassword'),
  searchBase: z.union([z.literal(''), dn()]).describe('where users are'),
  userSearchFilter: filter()
    .optional()
    .describe('finds a user by the name typed, %s: uid=%s when absent, sAMAccountName=%s for Active Directory'),
  domains: z
    .record(domain(), z.string().min(1))
    .optional()
    .describe(
      'domains in typed names, CORP\\alice or alice@corp.example.com, whose users are in this directory: strip to search for the plain name, keep for the name as typed, or the provider that is asked instead',
    ),
  attributes: z
    .object({
      subject: attributeName().optional(),
      name: attributeName().default('cn'),
      email: attributeName().default('mail'),
    })
    .catchall(attributeName())
    .prefault({})
    .describe('what is read of a user: subject (who it is), name, email, and any others by a name of your own'),
  groups: z.union([groupSearch, listedGroups]).optional().describe('where groups come from; none are read when absent'),
  flavor: z
    .enum(['auto', 'activeDirectory', 'openldap'])
    .default('auto')
    .describe('decides how nested groups are read and passwords changed, and the defaults above; auto asks the server'),
  timeout: duration()
    .optional()
    .describe('for a whole login: connecting, binding and searching together; login.timeout when absent'),
  poolSize: z.int().min(1).max(64).default(4).describe('connections kept for searches, to each server'),
});

/** The options after they have been read. */
export type LdapOptions = z.output<typeof ldapOptions>;

/** The names under which values of an entry become attributes of the assertion, with the LDAP attribute of each. */
export interface AttributeMap {
  readonly subject: string;
  readonly others: readonly (readonly [name: string, attribute: string])[];
}

/** What takes more than one option. */
export function checkLdapOptions(options: LdapOptions): readonly OptionProblem[] {
  const problems: OptionProblem[] = [];
  const problem = (key: string, message: string, hint: string) => problems.push({ key, message, hint });
  const { startTls, url, pins, servername, userSearchFilter, groups, attributes } = options;
  for (const [key, same] of [
    ['bindDn', 'managerDn'],
    ['bindPassword', 'managerPassword'],
  ] as const)
    if (options[key] !== undefined && options[same] !== undefined)
      problem(key, `is another name of ${same}, which is there too`, 'keep one of the two');
  const nameKey = options.bindDn === undefined ? 'managerDn' : 'bindDn';
  const passwordKey = options.bindPassword === undefined ? 'managerPassword' : 'bindPassword';
  if ((options[nameKey] === undefined) !== (options[passwordKey] === undefined)) {
    const isBind = nameKey === 'bindDn' || passwordKey === 'bindPassword';
    const [there, missing] =
      options[nameKey] === undefined
        ? [passwordKey, isBind ? 'bindDn' : 'managerDn']
        : [nameKey, isBind ? 'bindPassword' : 'managerPassword'];
    problem(there, `is there without ${missing}`, 'give both, or neither to search anonymously');
  }
  if (startTls && url.some(({ secure }) => secure))
    problem('startTls', 'an ldaps:// connection is TLS already', 'use ldap:// with startTls, or drop startTls');
  const hasTls = startTls || url.every(({ secure }) => secure);
  if (!hasTls && (pins || servername !== undefined))
    problem(pins ? 'pins' : 'servername', 'there is no TLS that could be checked', 'use ldaps:// or startTls: true');
  if (userSearchFilter && (!userSearchFilter.has('s') || userSearchFilter.has('d')))
    problem('userSearchFilter', 'must contain %s, and not %d', 'such as uid=%s');
  if (groups && 'filter' in groups && !groups.filter.has('d') && (groups.nested || !groups.filter.has('s')))
    problem(
      'groups.filter',
      `must contain %d${groups.nested ? ' when groups are nested' : ' or %s'}`,
      'such as member=%d',
    );
  if (groups && attributes.groups !== undefined)
    problem('attributes.groups', 'groups come from the groups option', 'drop one of the two');
  return problems;
}

/** The account that searches, under whichever name it stands; undefined where searches are anonymous. */
export function managerOf(options: LdapOptions): { readonly dn: string; readonly password: Secret } | undefined {
  const dn = options.managerDn ?? options.bindDn;
  const password = options.managerPassword ?? options.bindPassword;
  return dn !== undefined && password ? { dn, password } : undefined;
}

/** By whom the servers' certificates are signed. */
export function securityOf(options: LdapOptions, onCertificate?: CertificateListener): Security {
  let made: ReturnType<typeof tlsClientOptions> | undefined;
  const { startTls, ca, pins, servername } = options;
  return {
    startTls,
    servername,
    authorities: ca,
    tls: () => {
      made ??= tlsClientOptions({ ca, pins, servername, onCertificate });
      return made;
    },
  };
}

/** The filter by which users are found. */
export function userFilterOf({ userSearchFilter, flavor }: LdapOptions): FilterTemplate {
  if (userSearchFilter) return userSearchFilter;
  return new FilterTemplate(
    flavor === 'activeDirectory' ? '(&(objectCategory=person)(objectClass=user)(sAMAccountName=%s))' : 'uid=%s',
  );
}

/** Which attributes are read, and what becomes of them. */
export function attributeMapOf({ attributes, flavor }: LdapOptions): AttributeMap {
  const { subject, ...others } = attributes;
  return {
    subject: subject ?? (flavor === 'activeDirectory' ? 'sAMAccountName' : 'uid'),
    others: Object.entries(others).flatMap(([name, attribute]) =>
      attribute === undefined ? [] : [[name, attribute] as const],
    ),
  };
}

/** Where groups come from; undefined when nobody asks for them. */
export function groupSourceOf({ groups }: LdapOptions): GroupSource | undefined {
  if (!groups) return undefined;
  const { nested } = groups;
  if ('memberOf' in groups) {
    const listedIn = groups.memberOf === true ? 'memberOf' : groups.memberOf;
    return { kind: 'listed', listedIn, attribute: groups.attribute, nested };
  }
  return { kind: 'search', base: groups.searchBase, filter: groups.filter, attribute: groups.attribute, nested };
}
