/** Below which level nobody gets a session: a number, or rules by who signs in and from where. */
import * as z from 'zod';
import { cidr } from '../config/values.ts';
import type { Principal } from '../core/principal.ts';
import type { Level } from '../core/proof.ts';
import type { Client } from '../core/verdict.ts';
import { isInAny } from '../routing/networks.ts';

const level = z.union([z.literal(1), z.literal(2), z.literal(3)]);

const rule = z.strictObject({
  level,
  roles: z.array(z.string()).min(1).optional().describe('of users with any of these'),
  providers: z.array(z.string()).min(1).optional().describe('of users of any of these'),
  tenants: z.array(z.string()).min(1).optional().describe('of users of any of these'),
  outside: z
    .array(cidr())
    .min(1)
    .optional()
    .describe('of clients in none of these networks; one whose address cannot be told is in none'),
});

/** The option `login.level`. */
export const loginLevelOption = z
  .union([level, z.array(rule).min(1)])
  .meta({ kind: '1, 2 or 3, or a list of rules such as { level: 2, roles: [supervisor] }' })
  .default(1)
  .describe(
    'below this nobody gets a session; of rules the highest counts whose every condition holds, and 1 where none does',
  );

/** The option as configured. */
export type LoginLevel = z.output<typeof loginLevelOption>;

/** The level that a login has to reach. */
export function loginLevelOf(
  option: LoginLevel,
  { roles, provider, tenant }: Pick<Principal, 'roles' | 'provider' | 'tenant'>,
  client: Pick<Client, 'address' | 'isRelayed'>,
): Level {
  if (typeof option === 'number') return option;
  const holding = option.filter(
    (one) =>
      (one.roles?.some((role) => roles.has(role)) ?? true) &&
      (one.providers?.includes(provider) ?? true) &&
      (one.tenants?.includes(tenant) ?? true) &&
      !(one.outside && isInAny(client, one.outside)),
  );
  return Math.max(1, ...holding.map((one) => one.level)) as Level;
}
