/** Judges of new passwords for tests of providers. */
import type { PasswordJudge } from '../../../src/users/password-rules.ts';

/** Has nothing against any. */
export const anyPassword: PasswordJudge = { judge: async () => undefined };
