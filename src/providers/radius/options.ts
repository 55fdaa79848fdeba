/** The options of RADIUS servers. */
import * as z from 'zod';
import { duration, oneOrMore, secret } from '../../config/values.ts';
import type { Secret } from '../../core/secret.ts';
import { attributeNames, readPlace } from './attributes.ts';
import type { RadiusServer } from './client.ts';

const usualPort = 1812;

const server = () =>
  z
    .string()
    .meta({
      title: 'RADIUS server',
      kind: 'a host and a port such as radius1.example.com:1812',
      examples: ['radius1.example.com:1812'],
    })
    .transform((text, context): RadiusServer => {
      const [, bracketed, plain, digits] = /^(?:\[([\da-fA-F:]+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
      const host = bracketed ?? plain;
      const port = Number(digits ?? usualPort);
      if (host !== undefined && port > 0 && port < 65_536)
        return { host, port, label: `${bracketed ? `[${host}]` : host}:${port}` };
      context.addIssue({
        code: 'custom',
        message: 'must be a host and a port such as radius1.example.com:1812, without a scheme',
      });
      return z.NEVER;
    });

const attribute = () =>
  z
    .string()
    .meta({
      title: 'RADIUS attribute',
      kind: 'an attribute such as Filter-Id, 11, or 9.1',
      examples: ['Filter-Id', '11', '9.1'],
    })
    .transform((text, context) => {
      const place = readPlace(text);
      if (place) return place;
      const names = attributeNames.join(', ');
      context.addIssue({
        code: 'custom',
        message: `must be one of ${names}, a number such as 11, or vendor and number such as 9.1`,
      });
      return z.NEVER;
    });

/** The options as they stand in the configuration. */
export const radiusOptions = z.strictObject({
  servers: oneOrMore(server())
    .refine((list) => list.length <= 8, 'must name 8 servers at most')
    .describe('radius1.example.com:1812; a list is tried in order, and one that was silent comes last for a while'),
  secret: secret().describe(
    'what the servers and this machine share; 16 characters at least, better 32 drawn at random',
  ),
  requireMessageAuthenticator: z
    .boolean()
    .default(true)
    .describe(
      'answers without a Message-Authenticator are as no answer: without it anybody on the way can forge one (CVE-2024-3596)',
    ),
  nasIdentifier: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= 253, 'must be 253 bytes at most')
    .default('gatehouse')
    .describe('the name under which the servers see this gateway'),
  attributes: z
    .object({ subject: attribute().optional() })
    .catchall(attribute())
    .prefault({})
    .describe(
      'what is read of an Access-Accept: subject (who it is; the name typed when absent), name, email, groups, and any others by a name of your own',
    ),
  lookup: z
    .string()
    .optional()
    .describe('the provider in whose directory users are then looked up: attributes, groups, and whether they exist'),
  challengeLevel: z
    .union([z.literal(1), z.literal(2)])
    .optional()
    .describe(
      'the level of who has answered more than a password (Access-Challenge): 2 where the server asks for a second factor; 1 when absent',
    ),
  timeout: duration()
    .optional()
    .describe('for a whole login, all servers and the look-up together; login.timeout when absent'),
  retries: z.int().min(0).max(5).default(2).describe('how often a packet is sent again to the same server'),
});

/** The options after they have been read. */
export type RadiusOptions = z.output<typeof radiusOptions>;

const soundSecret = 16;

/** What an operator should know of options that work. */
export function radiusWarnings(
  name: string,
  { requireMessageAuthenticator, secret: shared }: { requireMessageAuthenticator: boolean; secret: Secret },
): string[] {
  const warnings: string[] = [];
  if (!requireMessageAuthenticator)
    warnings.push(
      `providers.${name}.requireMessageAuthenticator: false takes answers that anybody on the way can forge (CVE-2024-3596); have the servers send a Message-Authenticator instead`,
    );
  if (shared.reveal().length < soundSecret)
    warnings.push(
      `providers.${name}.secret: has fewer than ${soundSecret} characters and is found by trying, from one packet that somebody has seen`,
    );
  return warnings;
}
