/** Second factors as configured: each with its own options, and the rules that hold for all of them. */
import * as z from 'zod';
import { cidr, duration, wordsForVisitors } from '../config/values.ts';
import type { FactorDefinition } from './define.ts';
import * as kinds from './index.ts';

const factorKinds: Readonly<Record<string, FactorDefinition>> = kinds;

const common = z.strictObject({
  label: wordsForVisitors(64)
    .optional()
    .describe('what the pages call it; one text, or one a language: { en: …, fr: … }'),
});

const factor = z.discriminatedUnion(
  'type',
  Object.entries(factorKinds).map(([type, { options }]) =>
    z.strictObject({ type: z.literal(type), ...common.shape, ...options.shape }),
  ) as [z.ZodObject<{ type: z.ZodLiteral<string> } & typeof common.shape>],
);

/** The factors by name; their order is the one in which they are offered. */
export const factorsOptions = z.record(
  z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a short name of lower-case letters, digits and hyphens'),
  factor,
);

/** A factor as configured: its kind, the options common to all, and its own. */
export type FactorDocument = z.output<typeof factor>;

/** The kind of factor that a `type:` names. */
export function factorKind(type: string): FactorDefinition | undefined {
  return factorKinds[type];
}

function sendLimit(count: number, per: string) {
  return z
    .strictObject({ count: z.int().min(1).max(1_000_000).default(count), per: duration().prefault(per) })
    .prefault({});
}

const longestRemembered = 90 * 24 * 60 * 60_000;
const leastPending = 2 * 60_000;
const mostPending = 30 * 60_000;

/** The options under `factorRules:`. */
export const factorRulesOptions = z.strictObject({
  pending: duration()
    .refine((within) => within >= leastPending && within <= mostPending, 'must be between 2m and 30m')
    .prefault('10m')
    .describe('how long a login may take from the first proof to the last step'),
  failures: z
    .strictObject({
      count: z.int().min(1).default(5).describe('wrong codes in a row of one account, over all its factors, that lock'),
      delay: duration().prefault('1m').describe('the first lock; each further wrong code doubles it'),
      max: duration().prefault('1h').describe('the longest lock'),
      hard: z.int().min(1).default(100).describe('wrong codes in a row after which only an operator releases'),
    })
    .prefault({}),
  sends: z
    .strictObject({
      wait: duration().prefault('30s').describe('between two codes to one account'),
      account: sendLimit(10, '1h').describe('codes to one account'),
      contact: sendLimit(10, '1h').describe('codes to one address or number, whoever asks'),
      address: sendLimit(100, '1h').describe('codes that one client address may ask for'),
    })
    .prefault({}),
  enrol: z
    .strictObject({
      first: z
        .enum(['open', 'code', 'off'])
        .default('open')
        .describe(
          'the first factor of an account: open, whoever has the first proof may set it up; code, with an enrolment code or a pass besides; off, nobody may',
        ),
      networks: z.array(cidr()).default([]).describe('clients that may set one up; all when empty'),
      notify: z
        .boolean()
        .default(true)
        .describe(
          'whether the owner of an account is told of changes by mail, where mails are sent and an address is known',
        ),
    })
    .prefault({}),
  remember: z
    .strictObject({
      for: z
        .union([
          z.literal(0),
          duration().refine((lasts) => lasts <= longestRemembered, {
            error: 'must be 90d or less, or 0 for off',
            when: ({ issues }) => issues.length === 0,
          }),
        ])
        .default(0)
        .describe('how long a browser can stand in for a factor of whoever wishes it there; 0: never'),
      networks: z.array(cidr()).default([]).describe('clients whose browsers are remembered; all when empty'),
      perBrowser: z.int().min(1).max(100).default(20).describe('accounts of one browser; the oldest gives way'),
    })
    .prefault({})
    .describe('browsers that are remembered, for each account on its own; not for desks that are shared'),
  noFactor: z
    .enum(['refuse', 'help'])
    .default('refuse')
    .describe('an account that needs a factor, and has none that can be asked for or set up: what the page shows'),
  help: z
    .strictObject({
      text: wordsForVisitors(500).optional().describe('whom to ask, in a sentence'),
      url: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe('where help is'),
    })
    .prefault({}),
});

/** The rules as configured. */
export type FactorRules = z.output<typeof factorRulesOptions>;
