/** What can be set about who may pass a location, and what contradicts itself in it. */
import * as z from 'zod';
import { cidr, duration } from '../config/values.ts';
import type { Access, NetworkRule } from '../core/route.ts';

const requirement = z.strictObject({
  roles: z.array(z.string()).default([]).describe('any of these'),
  providers: z.array(z.string()).default([]).describe('any of these'),
  tenants: z.array(z.string()).default([]).describe('users of any of these'),
  privileges: z.array(z.string()).default([]).describe("any of these, of the route's application"),
  bearer: z.boolean().default(false).describe('API clients may show a bearer token here, where a provider takes them'),
  apiTokens: z
    .boolean()
    .default(false)
    .describe('programs may show an API token here, as a bearer token or under apiTokenHeader'),
  basic: z
    .boolean()
    .default(false)
    .describe('scripts may send a name and a password with each request (Basic), over https or from this machine'),
  level: z
    .union([z.literal(1), z.literal(2), z.literal(3)])
    .optional()
    .describe('what the proofs of a session must add up to: 2 with a second factor, 3 with a security key or passkey'),
  factors: z.array(z.string()).min(1).optional().describe('factors, any of which must be among the proofs'),
  maxAge: duration()
    .optional()
    .describe('since credentials were last proved, or beside level 2 or 3 what gave that level; older asks again'),
  public: z.literal(true).optional().describe('true: nobody has to sign in; beside networks only'),
  networks: z
    .array(cidr())
    .min(1, 'must name a network such as 10.0.0.0/8, or be left out')
    .optional()
    .describe('addresses that may pass; behind proxies those that server.trustedProxies tell'),
  satisfy: z
    .enum(['all', 'any'])
    .optional()
    .describe('as in nginx. all: from the networks alone, and signed in; any: from the networks, or signed in'),
});

/** What `access:` of a route may say. */
export function accessOptions() {
  return z
    .union([z.literal('public'), z.literal('optional'), z.literal('deny'), z.literal('peers'), requirement])
    .meta({ kind: 'public, optional, deny, peers, or what it asks for, such as { roles: [agent] }' })
    .superRefine((access, context) => {
      if (typeof access === 'string') return;
      for (const { key, message, hint } of accessFaults(access))
        context.addIssue({ code: 'custom', path: [key], message, params: { hint } });
    })
    .prefault({})
    .describe(
      'who may pass; anybody signed in when absent. optional: anybody, and who is signed in with an identity; peers: machines that the service admits',
    );
}

type RequirementOptions = z.output<typeof requirement>;
type AccessOptions = 'public' | 'optional' | 'deny' | 'peers' | RequirementOptions;

interface AccessFault {
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

/** What contradicts itself. */
function accessFaults(access: RequirementOptions): AccessFault[] {
  const found: AccessFault[] = [];
  if (access.public) {
    const about = [
      ...(access.roles.length > 0 ? ['roles'] : []),
      ...(access.providers.length > 0 ? ['providers'] : []),
      ...(access.tenants.length > 0 ? ['tenants'] : []),
      ...(access.privileges.length > 0 ? ['privileges'] : []),
      ...(access.bearer ? ['bearer'] : []),
      ...(access.apiTokens ? ['apiTokens'] : []),
      ...(access.basic ? ['basic'] : []),
      ...(access.level !== undefined ? ['level'] : []),
      ...(access.factors !== undefined ? ['factors'] : []),
      ...(access.maxAge !== undefined ? ['maxAge'] : []),
    ];
    for (const key of about)
      found.push({ key, message: 'is about who signs in, and public: true asks nobody', hint: 'keep one of the two' });
    if (!access.networks)
      found.push({
        key: 'public',
        message: 'says that the networks alone decide, and there are no networks',
        hint: 'write networks: [10.0.0.0/8] beside it, or access: public for everybody from everywhere',
      });
    if (access.satisfy === 'any')
      found.push({
        key: 'satisfy',
        message: 'is any beside public: true, which would let everybody in from everywhere',
        hint: 'leave it out: then the networks alone may pass',
      });
  }
  if (access.satisfy !== undefined && !access.networks)
    found.push({
      key: 'satisfy',
      message: 'says how networks and a login go together, and there are no networks',
      hint: 'write networks: [10.0.0.0/8] beside it, or take it out',
    });
  return found;
}

/** Who may pass a location, without what was not said. */
export function accessOf(access: AccessOptions): Access {
  if (typeof access === 'string') return access;
  if (access.public) return 'public';
  const { roles, providers, tenants, privileges, bearer, apiTokens, basic, level, factors, maxAge } = access;
  return {
    ...{ roles, providers, tenants, privileges, bearer, apiTokens, basic },
    ...(level !== undefined && { level }),
    ...(factors && { factors }),
    ...(maxAge !== undefined && { maxAge }),
  };
}

/** Which addresses it is for; undefined where addresses decide nothing. */
export function networksOf(access: AccessOptions): NetworkRule | undefined {
  if (typeof access === 'string' || !access.networks) return undefined;
  return { networks: access.networks, satisfy: access.satisfy ?? 'all' };
}
