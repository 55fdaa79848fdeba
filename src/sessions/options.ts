/** How long sessions last, how many a user may have, and where they are kept. */
import * as z from 'zod';
import { duration } from '../config/values.ts';
import { storeOptions } from '../store/index.ts';

const shortestRecheck = 1000;

/** The options under `session:`. */
export const sessionOptions = z.strictObject({
  idle: duration().prefault('30m').describe('without activity that counts'),
  lifetime: duration().prefault('12h').describe('whatever happens'),
  perUser: z.int().min(1).default(20).describe('sessions of one user at once; the oldest ends'),
  recheck: z
    .union([
      z.literal(0),
      duration().refine((every) => every >= shortestRecheck, {
        error: 'must be 1s or more, or 0 for never',
        // What is no duration is told as that alone.
        when: ({ issues }) => issues.length === 0,
      }),
    ])
    .default(0)
    .describe(
      'how often the account of a session in use is asked about, at an LDAP directory or in the users file: groups and attributes count anew, and a disabled or deleted account ends; 0 is never',
    ),
  store: storeOptions.prefault({ type: 'embedded', path: '../data' }),
});
