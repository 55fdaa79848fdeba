/** How users sign in, as configured: the chain, its limits, and the providers with their own options. */
import * as z from 'zod';
import { cidr, duration } from '../config/values.ts';
import { loginLevelOption } from '../policy/login-level.ts';
import { onOptions } from '../providers/chain.ts';
import type { ProviderDefinition } from '../providers/define.ts';
import * as kinds from '../providers/index.ts';
import { lockoutOptions } from '../users/lockout.ts';

const providerKinds: Readonly<Record<string, ProviderDefinition>> = kinds;

const offlineOptions = z.strictObject({
  for: duration()
    .refine((within) => within > 0, {
      error: 'is no time: nobody could sign in so',
      params: { hint: 'write a time such as 24h, or leave login.offline out' },
    })
    .prefault('24h')
    .describe('since the directory has last taken the password'),
  roles: z.array(z.string()).describe('the roles that such a session may have, of those that its user has'),
  providers: z.array(z.string()).min(1).describe('the directories for whose accounts this holds, of type ldap'),
  networks: z.array(cidr()).default([]).describe('clients that may sign in so; all when empty'),
  after: duration()
    .prefault('15m')
    .describe('how long a session goes on whose user has been asked for the password, once the directory is back'),
});

/** How logins go on while a directory is away. */
export type OfflineOptions = z.output<typeof offlineOptions>;

/** The options under `login:`. */
export const loginOptions = z.strictObject({
  chain: z.array(z.string()).min(1).describe('the providers, in the order in which they are asked'),
  external: z
    .boolean()
    .default(true)
    .describe('false: only providers of type local are asked, and sessions of the others end'),
  timeout: duration().prefault('5s').describe("each provider's deadline, unless it has its own"),
  total: duration().prefault('15s').describe('the whole attempt; providers without a network are asked even after it'),
  level: loginLevelOption,
  lockout: lockoutOptions.prefault({}),
  default: z.string().optional().describe('a federated provider that is followed at once; ?method=form is the way out'),
  reservedUsers: z.array(z.string()).default(['xuc']).describe('names that may not sign in'),
  offline: offlineOptions.optional().describe('logins while a directory is away; none when absent'),
  breaker: z
    .strictObject({
      failures: z.int().min(1).default(3).describe('failures in a row of a provider that open its circuit breaker'),
      probe: duration()
        .prefault('2s')
        .describe('how often the gateway looks by itself whether it is back; no login is spent on it'),
      cooldown: duration()
        .prefault('10s')
        .describe('for a provider that cannot be looked at: until a login tries it again; doubles up to a minute'),
    })
    .prefault({}),
});

const common = z.strictObject({
  timeout: duration().optional().describe("this provider's deadline; login.timeout when absent"),
  on: onOptions.prefault({}).describe('what an outcome leads to'),
  mustExistIn: z.string().optional().describe('a provider that must know the user too, or the login is refused'),
  label: z.string().min(1).optional().describe('its name on the login page'),
});

const provider = z.discriminatedUnion(
  'type',
  Object.entries(providerKinds).map(([type, { options }]) =>
    z.strictObject({ type: z.literal(type), ...common.shape, ...options.shape }),
  ) as [z.ZodObject<{ type: z.ZodLiteral<string> } & typeof common.shape>],
);

/** The providers by name. */
export const providersOptions = z.record(
  z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a short name of lower-case letters, digits and hyphens'),
  provider,
);

/** The options under `login:`, read and checked. */
export type LoginDocument = z.output<typeof loginOptions>;

/** A provider as configured: its kind, the options common to all, and its own. */
export type ProviderDocument = z.output<typeof provider>;

/** The kinds of providers by the `type:` that names them. */
export function providerKind(type: string): ProviderDefinition | undefined {
  return providerKinds[type];
}
