/** What an operator can set about the log and the audit. */
import * as z from 'zod';
import { filePath } from '../config/values.ts';

const levels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** From the most to the least talkative; `silent` writes nothing. */
export type LogLevel = (typeof levels)[number];

/** The options under `log:`. */
export const logOptions = z.strictObject({
  level: z.enum(levels).default('info').describe('the least important records that are written'),
  format: z
    .enum(['auto', 'json', 'pretty'])
    .default('auto')
    .describe('json: one object a line; pretty: for people; auto: pretty on a terminal, else json'),
});

/** Whether lines are for people, given where they go. */
export function wantsPretty(format: z.output<typeof logOptions>['format'], isTerminal: boolean): boolean {
  return format === 'pretty' || (format === 'auto' && isTerminal);
}

/** The options under `audit:`. */
export const auditOptions = z.strictObject({
  to: z
    .union([z.literal(['stdout', 'off']), filePath()])
    .default('stdout')
    .describe('a file to which JSON lines are appended, stdout, or off'),
  requests: z
    .enum(['all', 'refused', 'none'])
    .default('all')
    .describe('which requests are recorded; logins, logouts and ended sessions always are'),
});

/** Where the audit goes and what it holds. */
export type AuditOptions = z.output<typeof auditOptions>;
