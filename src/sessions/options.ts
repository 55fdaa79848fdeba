/** How long sessions last, how many a user may have, and where they are kept. */
import * as z from 'zod';
import { duration } from '../config/values.ts';
import { storeOptions } from '../store/index.ts';

/** The options under `session:`. */
export const sessionOptions = z.strictObject({
  idle: duration().prefault('30m').describe('without activity that counts'),
  lifetime: duration().prefault('12h').describe('whatever happens'),
  perUser: z.int().min(1).default(20).describe('sessions of one user at once; the oldest ends'),
  store: storeOptions.prefault({ type: 'embedded', path: '../data' }),
});
