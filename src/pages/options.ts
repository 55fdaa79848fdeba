/** What an operator may say about the pages: name, logo, colour, help. The keys of `pages:` in the configuration. */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { filePath } from '../config/values.ts';
import { languageNames } from './language.ts';

/** The largest logo that is served; it is kept in memory and stands on every page. */
const maxLogoBytes = 512 * 1024;

const language = z.enum(languageNames);

/** The options of the pages; every one has a default. */
export const pageOptions = z.strictObject({
  siteName: z
    .string()
    .trim()
    .min(1)
    .max(60)
    .default('Gatehouse')
    .describe('what the site is called, in titles and above the login form'),
  logo: logo().optional().describe('an .svg or .png file, shown instead of the built-in mark; at most 512 kB'),
  accentColor: z
    .string()
    .regex(/^#[0-9a-f]{6}$/i, 'must be a colour such as #0f6b62')
    .default('#0f6b62')
    .describe('the colour of buttons and of the picture; shades for text are derived so that they stay readable'),
  language: language.default('en').describe('the language of browsers that ask for none of ours'),
  helpText: perLanguage(600)
    .optional()
    .describe('a sentence under the login form; one text, or one a language: { en: …, fr: … }'),
  passwordRules: perLanguage(600)
    .optional()
    .describe('what a new password must be like, shown where one is chosen; one text, or one a language'),
  forgotPassword: forgotPassword()
    .optional()
    .describe('where the login page sends whoever has forgotten a password: an https address, or a path of the site'),
  helpContact: perLanguage(200)
    .optional()
    .describe('whom to ask: an e-mail address, a telephone number, an https address or a name; may differ by language'),
});

/** The options as read: the logo is its bytes. */
export type PageOptions = z.output<typeof pageOptions>;

/** A text of the operator, one for all languages or one for each. */
export type OperatorText = z.output<ReturnType<typeof perLanguage>>;

/** An image of the operator's. */
export interface Logo {
  readonly contentType: 'image/svg+xml' | 'image/png';
  readonly body: Buffer;
}

function perLanguage(maxLength: number) {
  const text = z.string().trim().min(1).max(maxLength);
  return z.union([text, z.partialRecord(language, text)]);
}

/** A path that needs a login would lead back to where its visitor comes from; that is for the routes to say. */
function forgotPassword() {
  const message = 'must be an https address, or a path such as /password/reset';
  return z.string().refine(isPathOrHttps, message);
}

function isPathOrHttps(text: string): boolean {
  if (/[^\x21-\x7e]|[\\"<>]/.test(text)) return false;
  if (text.startsWith('/')) return !text.startsWith('//') && !text.startsWith('/_gate');
  return URL.canParse(text) && new URL(text).protocol === 'https:';
}

function logo() {
  return filePath().transform((path, context): Logo => {
    try {
      const body = readFileSync(path);
      const contentType = imageType(body);
      if (contentType && body.length <= maxLogoBytes) return { contentType, body };
      const problem = contentType ? 'is larger than 512 kB' : 'is neither an SVG nor a PNG image';
      context.addIssue({ code: 'custom', message: `the file ${path} ${problem}` });
    } catch (error) {
      const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
      context.addIssue({ code: 'custom', message: `the file ${path} cannot be read (${why})` });
    }
    return z.NEVER;
  });
}

function imageType(body: Buffer): Logo['contentType'] | undefined {
  if (body.subarray(0, 8).equals(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'))) return 'image/png';
  return /^\ufeff?\s*(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]*?-->\s*)*<svg[\s>]/i.test(body.toString('utf8', 0, 4096))
    ? 'image/svg+xml'
    : undefined;
}
