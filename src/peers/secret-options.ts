/** What stands under `sharedSecrets:`: secrets that machines show besides their certificate. */
import * as z from 'zod';
import { secret } from '../config/values.ts';
import type { Secret } from '../core/secret.ts';
import { secretFaults } from './secret-rule.ts';

/** A secret that keeps the rule; each fault is told, the value never. */
const strong = () =>
  secret().superRefine((value: Secret, context) => {
    for (const fault of secretFaults(value.reveal()))
      context.addIssue({ code: 'custom', message: fault, params: { hint: 'gatehouse secret generate makes one' } });
  });

const until = z.string().transform((text, context) => {
  const at = Date.parse(text);
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && Number.isFinite(at)) return at;
  context.addIssue({ code: 'custom', message: 'must be a time such as 2026-12-31T22:00:00Z' });
  return z.NEVER;
});

const shared = z.strictObject({
  secret: strong().describe('8 to 64 printable characters: upper and lower case, a digit and another'),
  previous: z
    .strictObject({
      secret: strong().describe('the one before'),
      until: until.describe('to which it counts beside the other'),
    })
    .optional()
    .describe('the secret before, while machines change over'),
  send: z
    .union([z.enum(['strip', 'pass']), z.strictObject({ secret: secret().describe('in its place') })])
    .default('strip')
    .describe('strip: applications never see it; pass: they do; { secret: … }: they get that one in its place'),
});

/** Secrets by name. */
export const sharedSecretsOptions = z.record(
  z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/i, 'must be letters, digits and hyphens'),
  shared,
);

/** One of them. */
export type SharedSecretOptions = z.output<typeof shared>;
