/** The options of a CAS server, and what they mean put together. */
import * as z from 'zod';
import { duration, httpUrl } from '../../config/values.ts';
import { outboundProxy } from '../../remote/proxy-options.ts';
import { caBundle, pins } from '../../remote/trust-options.ts';
import type { OptionProblem } from '../define.ts';

const attributeName = () =>
  z
    .string()
    .regex(/^[\p{L}_][\p{L}\p{N}_.-]{0,127}$/u, 'must be the name of an attribute that CAS releases, case included');

/** The options as they stand in the configuration. */
export const casOptions = z.strictObject({
  url: httpUrl().describe('base address of the CAS server, such as https://cas.example.org/cas; /login is below it'),
  ca: caBundle()
    .optional()
    .describe(
      "PEM file of the certificate authorities (CAs) that signed the certificate of the server; the machine's when absent",
    ),
  pins: pins()
    .optional()
    .describe(
      "pins of public keys or thumbprints of certificates, one of which must be the server's, besides a good chain",
    ),
  outboundProxy: outboundProxy()
    .optional()
    .describe('the forward proxy to this provider; server.outboundProxy when absent, and false goes directly'),
  version: z
    .enum(['3.0', '2.0'])
    .default('3.0')
    .describe('3.0 validates at /p3/serviceValidate, and at /serviceValidate where the server has no such address'),
  attributes: z
    .object({
      subject: attributeName().optional().describe('who the user is; the name that CAS gives the user when absent'),
      name: attributeName().default('displayName'),
      email: attributeName().default('mail'),
      groups: attributeName().default('memberOf'),
    })
    .catchall(attributeName())
    .prefault({})
    .describe(
      'what is read of the attributes that CAS releases: subject, name, email, groups, and any others by a name of your own',
    ),
  trust: z
    .strictObject({
      attributes: z
        .record(attributeName(), z.record(z.string().min(1).max(200), z.union([z.literal(2), z.literal(3)])))
        .describe('by an attribute that CAS releases, and its value'),
    })
    .optional()
    .describe('what counts as more than level 1, such as { attributes: { authnContextClass: { mfa-webauthn: 2 } } }'),
  renew: z.boolean().default(false).describe('every login asks for the credentials anew: no single sign-on'),
  gateway: z
    .boolean()
    .default(false)
    .describe(
      "a login that nobody has clicked for tries CAS silently: who is not signed in there gets our login page, not CAS's",
    ),
  logout: z.boolean().default(false).describe('signing out here leads the browser to the logout of CAS'),
  proxy: z
    .strictObject({
      allow: z
        .array(z.string().min(1))
        .min(1)
        .describe('callback addresses (pgtUrl) of services that may act for users, exactly as CAS names them'),
    })
    .optional()
    .describe('takes proxy tickets; every service of the chain must be listed. Without it they are refused'),
  timeout: duration().optional().describe('for the validation of a ticket; login.timeout when absent'),
});

/** The options after they have been read. */
export type CasOptions = z.output<typeof casOptions> & { readonly timeout: number };

/** What takes more than one option. */
export function checkCasOptions({
  url,
  ca,
  pins: pinned,
  renew,
  gateway,
}: z.output<typeof casOptions>): readonly OptionProblem[] {
  const problems: OptionProblem[] = [];
  if (renew && gateway)
    problems.push({
      key: 'gateway',
      message: 'asks for no credentials ever, and renew for each login',
      hint: 'keep one of the two',
    });
  if ((ca || pinned) && url.protocol !== 'https:')
    problems.push({
      key: ca ? 'ca' : 'pins',
      message: 'there is no TLS that could be checked',
      hint: 'use an https:// url',
    });
  return problems;
}

/** Whether what goes to and from the server can be read and changed on the way. */
export function isUnprotected({ url }: CasOptions): boolean {
  return url.protocol === 'http:' && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
}
