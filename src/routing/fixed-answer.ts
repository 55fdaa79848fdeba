/**
 * What the gateway answers by itself on a route without an application: a redirect, or a fixed text. Here is what can be set,
 * and where a redirect leads; that the route's access comes first is the pipeline's affair.
 */
import * as z from 'zod';
import type { FixedAnswer } from '../core/route.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import { readAuthority } from './host.ts';

/** The variable for the path and query that were asked for. */
const uri = `\${uri}`;
const toWords = `a path such as /app/, or an address such as https://other.example${uri}`;
const redirectStatuses = [301, 302, 303, 307, 308] as const;

/** What is wrong with where a redirect leads, and what to do about it; undefined when nothing is. */
function faultOf(to: string): { readonly message: string; readonly hint?: string } | undefined {
  const fixed = to.replaceAll(uri, '');
  if (fixed.includes('$'))
    return { message: 'names a variable that a redirect does not have', hint: `write ${uri} for the path and query` };
  if (/[^\x21-\x7e]|["<>\\^`{|}]/.test(fixed))
    return {
      message: 'has a character that no address has',
      hint: 'write it percent-encoded, such as %20 for a space',
    };
  if (to.startsWith(uri))
    return { message: 'leads to the address that was asked for', hint: `write the other host: https://host${uri}` };
  const [, authority] = /^https?:\/\/([^/?#]*?)(?:[/?#]|\$\{uri\}|$)/i.exec(to) ?? [];
  if (authority !== undefined)
    return readAuthority(authority) ? undefined : { message: 'has no host name after its scheme' };
  // Behind a slash the path that was asked for would be another server's name to browsers.
  if (to.startsWith('//') || to.startsWith(`/${uri}`))
    return { message: 'begins with two slashes, which browsers take for another server', hint: `write ${toWords}` };
  return to.startsWith('/') ? undefined : { message: `must be ${toWords}` };
}

const destination = z
  .string()
  .meta({ title: 'redirect target', kind: toWords, examples: ['/app/', `https://other.example${uri}`] })
  .superRefine((to, context) => {
    const fault = faultOf(to);
    if (fault) context.addIssue({ code: 'custom', message: fault.message, params: { hint: fault.hint } });
  });

const redirect = z
  .union([
    destination,
    z.strictObject({
      to: destination.describe(`a path, or an address; ${uri} in it is the path and query that were asked for`),
      status: z.literal(redirectStatuses).default(302).describe('301 and 308 are for good'),
    }),
  ])
  .meta({ kind: `${toWords}, or { to: ..., status: 301 }` })
  .transform((value) => (typeof value === 'string' ? { to: value, status: 302 } : value));

const respond = z
  .strictObject({
    status: z
      .int()
      .refine(
        (status) => (status >= 200 && status < 300) || (status >= 400 && status < 600),
        'must be 200 to 299 or 400 to 599; for 301 to 308 there is redirect:',
      )
      .meta({ kind: 'a status such as 200 or 404' })
      .default(200),
    body: z.string().default('').describe('the text of the answer'),
    type: z
      .string()
      .regex(/^[\w.+-]+\/[\w.+-]+(?:; ?[\w-]+=[\w.-]+)*$/, 'must be a media type such as text/plain')
      .default('text/plain')
      .describe('its Content-Type; of text without a charset it is UTF-8'),
  })
  .superRefine(({ status, body }, context) => {
    if (body !== '' && (status === 204 || status === 205))
      context.addIssue({ code: 'custom', path: ['body'], message: `is not sent with status ${status}: take it out` });
  });

/** What stands in each of `routes:` in the place of `upstream`. */
export const fixedOptions = z.strictObject({
  redirect: redirect.optional().describe('where browsers are sent, in the place of an upstream'),
  respond: respond.optional().describe('what is answered, in the place of an upstream'),
});

/** The answer of a route as configured; undefined where it has an upstream. */
export function fixedAnswerOf({ redirect, respond }: z.output<typeof fixedOptions>): FixedAnswer | undefined {
  if (redirect) return { kind: 'redirect', ...redirect };
  if (respond) return { kind: 'respond', ...respond };
  return undefined;
}

/** Where a redirect leads whoever asked for a target: an address, or a path of the same host. */
export function redirectLocation(to: string, { path, query }: Pick<CanonicalTarget, 'path' | 'query'>): string {
  return to.replaceAll(uri, () => path + query);
}
