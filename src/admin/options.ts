/** What can be set about the operator's listener. */
import { isIP } from 'node:net';
import * as z from 'zod';
import { httpUrl, secret } from '../config/values.ts';

const shortestToken = 16;

/** The options under `admin:`. */
export const adminOptions = z
  .strictObject({
    listen: httpUrl()
      .refine((url) => url.protocol === 'http:' && url.pathname === '/', 'must be http:// with an address and a port')
      .prefault('http://127.0.0.1:9090')
      .describe('the address for operators and monitoring; keep it off the public network'),
    token: secret()
      .refine((token) => token.reveal().length >= shortestToken, `must have ${shortestToken} characters or more`)
      .optional()
      .describe('what callers show as "Authorization: Bearer …"; required unless listen is a loopback address'),
    hosts: z
      .array(z.string().min(1))
      .default([])
      .describe('host names under which the listener is called without a token, besides addresses and localhost'),
  })
  .superRefine(({ listen, token }, context) => {
    if (token === undefined && !isLoopback(listen.hostname))
      context.addIssue({
        code: 'custom',
        path: ['token'],
        message: `must be set when admin.listen (${listen.hostname}) can be reached from other machines`,
      });
  });

/** How the operator's listener is set. */
export type AdminOptions = z.output<typeof adminOptions>;

/** Whether only this machine can reach an address; a host name other than localhost counts as reachable by all. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
