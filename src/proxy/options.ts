/** What can be set about forwarding: the application behind a location, the headers it is sent, the signed identity. */
import * as z from 'zod';
import { byteSize, duration, readSecret, secretReferences } from '../config/values.ts';
import type { AssertionRule, HeaderRule } from '../core/route.ts';
import { Secret } from '../core/secret.ts';
import { reservedClaims } from './assertion-claims.ts';
import { defaultHeaderRules } from './templates.ts';
import { upstreamOptions } from './upstream-options.ts';

const headerName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be a header name of letters, digits and hyphens');

/** Headers by name: a template, one with its encoding, a secret that is sent as it is, or `false` for none. */
export const headerTemplates = z.record(
  headerName,
  z
    .union([
      z.string(),
      z.literal(false),
      z.strictObject({ value: z.string(), encoding: z.enum(['percent', 'rfc8187']).default('percent') }),
      ...secretReferences(),
    ])
    .transform((value, context) =>
      typeof value === 'object' && !('value' in value) ? readSecret(value, context) : value,
    ),
);

const cookieNames = z
  .array(z.string().regex(/^[^\s;,="]{1,256}$/, 'must be the name of a cookie, such as JSESSIONID'))
  .min(1)
  .max(32);

const cookieOptions = z.strictObject({
  bind: z
    .union([z.enum(['httpOnly', 'all', 'off']), cookieNames])
    .meta({ kind: 'httpOnly, all, off, or a list of cookies by name' })
    .optional()
    .describe(
      'which are bound to whoever is signed in, so that the next user of the browser does not bring them; httpOnly when absent',
    ),
});

const second = 1000;
const shortest = 10 * second;
const longest = 3600 * second;

const routeAssertion = z.strictObject({
  audience: z
    .string()
    .regex(/^[\x21-\x7e]{1,256}$/, 'must be a word of printable ASCII without spaces, such as grafana')
    .optional()
    .describe("whom the token is for, as the application expects it (aud); the upstream's origin when absent"),
  lifetime: duration()
    .refine((value) => value >= shortest && value <= longest, 'must lie between 10s and 1h')
    .optional()
    .describe('how long a token is valid; 60s when absent. A logout does not call back what an application has kept'),
  claims: z
    .record(
      z
        .string()
        .regex(/^[A-Za-z_][\w:./-]{0,127}$/, 'must be the name of a claim')
        .refine((name) => !reservedClaims.has(name), 'is a claim that the gateway sets by itself'),
      z.string(),
    )
    .default({})
    .describe(
      `further claims by name, from the variables of headers; one that is a list alone, such as \${roles}, stays a list`,
    ),
});

/** What stands in each of `routes:` about forwarding. */
export const forwardOptions = z.strictObject({
  upstream: upstreamOptions()
    .optional()
    .describe("nginx's proxy_pass: with a path, the matched prefix is replaced; a list is balanced"),
  headers: headerTemplates.default({}).describe('added to or replacing the general ones; false removes one'),
  cookies: cookieOptions.prefault({}).describe('those that the application sets'),
  assertion: routeAssertion
    .optional()
    .describe(
      `the signed identity as this application wants it; \${assertion} in a header sends it under another name`,
    ),
  timeout: duration().prefault('60s').describe("for the upstream's answer to begin, and between two parts of a body"),
  connectTimeout: duration().prefault('3s').describe('for a connection to the upstream'),
  maxBody: byteSize().prefault('1gb').describe('of a request; 0 is no limit'),
  preserveHost: z.boolean().default(true).describe("the client's Host goes upstream; false: the upstream's own"),
});

/** The options under `assertion:`. */
export const assertionOptions = z.strictObject({
  algorithm: z.enum(['EdDSA', 'ES256']).default('EdDSA'),
  rotate: duration().prefault('30d'),
});

/** Headers for upstreams as configured. */
export type HeaderTemplates = z.output<typeof headerTemplates>;

/** What a route says of its assertion. */
export function assertionRuleOf({ audience, lifetime, claims }: z.output<typeof routeAssertion>): AssertionRule {
  return { ...(audience !== undefined && { audience }), ...(lifetime !== undefined && { lifetime }), claims };
}

/** The default headers, with the general ones over them and the route's own over those; `false` takes one away. */
export function headerRules(general: HeaderTemplates, own: HeaderTemplates): HeaderRule[] {
  const rules = new Map<string, HeaderRule>(defaultHeaderRules.map((rule) => [rule.name.toLowerCase(), rule]));
  for (const [name, template] of [...Object.entries(general), ...Object.entries(own)]) {
    if (template === false) rules.delete(name.toLowerCase());
    else if (typeof template === 'string' || template instanceof Secret)
      rules.set(name.toLowerCase(), { name, template });
    else rules.set(name.toLowerCase(), { name, template: template.value, encoding: template.encoding });
  }
  return [...rules.values()];
}
