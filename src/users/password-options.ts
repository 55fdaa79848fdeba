/** The options of passwords that are chosen here. The keys of `passwords:` in the configuration. */
import * as z from 'zod';
import { filePath } from '../config/values.ts';
import { OperatorError } from '../core/errors.ts';
import { checkLeakedFile } from './leaked-passwords.ts';

const atLeast = () => z.int().min(0).max(16).default(0);

/** The options; every one has a default. */
export const passwordOptions = z
  .strictObject({
    minLength: z.int().min(4).max(128).default(8).describe('characters that a new password has at least'),
    maxLength: z.int().min(16).max(1024).default(128).describe('and at most'),
    blockCommon: z
      .boolean()
      .default(true)
      .describe('refuses what many people use, and what is little more than the name, the e-mail address or the site'),
    blocked: leakedFile()
      .optional()
      .describe('a file of leaked passwords, lines SHA1:count sorted by SHA1; nobody is asked over the network'),
    compose: z
      .strictObject({
        upper: atLeast().describe('capital letters'),
        lower: atLeast().describe('small letters'),
        digit: atLeast().describe('digits'),
        other: atLeast().describe('characters of any other kind'),
      })
      .prefault({})
      .describe('how many of a kind there must be; only for policies that came along, length is worth more'),
  })
  .check((context) => {
    const { minLength, maxLength, compose } = context.value;
    const fail = (path: string, message: string): void =>
      void context.issues.push({ code: 'custom', message, path: [path], input: context.value });
    if (minLength > maxLength) fail('minLength', `is more than maxLength, which is ${maxLength}`);
    const asked = Object.values(compose).reduce((sum, count) => sum + count, 0);
    if (asked > maxLength) fail('compose', `asks for ${asked} characters, and maxLength is ${maxLength}`);
  });

/** The options as read. */
export type PasswordOptions = z.output<typeof passwordOptions>;

function leakedFile() {
  return filePath().transform((path, context) => {
    try {
      checkLeakedFile(path);
      return path;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      context.addIssue({ code: 'custom', message: error.message, ...(error.hint && { params: { hint: error.hint } }) });
      return z.NEVER;
    }
  });
}
