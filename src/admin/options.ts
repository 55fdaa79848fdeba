/** What can be set about the admin listener and the socket of commands. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import * as z from 'zod';
import { readContext } from '../config/context.ts';
import { filePath, httpUrl, secret } from '../config/values.ts';

const minTokenLength = 16;

/** Where the socket is when neither it nor a store with a folder is named, from the folder of the configuration. */
const socketBesideConfiguration = '../data/admin.sock';

const tokenSecret = () =>
  secret().refine((token) => token.reveal().length >= minTokenLength, `must have ${minTokenLength} characters or more`);

/** Names that the audit gives to callers without a token of the configuration. */
const givenNames: readonly string[] = ['local', 'loopback', 'stranger', 'signal', 'application'];

const tokens = z.record(
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, 'must be a name of letters, digits and . _ @ -, 64 at most')
    .refine(
      (name) => !givenNames.includes(name.toLowerCase()),
      `must not be one of ${givenNames.join(', ')}: the audit uses these`,
    ),
  z.strictObject({
    token: tokenSecret().describe('what the caller shows as "Authorization: Bearer …"'),
    role: z.enum(['monitor', 'operator']).describe('a monitor reads; an operator also ends, unlocks and reloads'),
  }),
);

/** The options under `admin:`. */
export const adminOptions = z
  .strictObject({
    listen: httpUrl()
      .refine((url) => url.protocol === 'http:' && url.pathname === '/', 'must be http:// with an address and a port')
      .prefault('http://127.0.0.1:9090')
      .describe('the address for operators and monitoring; keep it off the public network'),
    socket: filePath()
      .optional()
      .transform((path) => ({
        path: path ?? resolve(readContext().directory, socketBesideConfiguration),
        isNamed: path !== undefined,
      }))
      .describe('the Unix socket of commands; admin.sock in the folder of the store, or in ../data, when absent'),
    tokens: tokens
      .default({})
      .describe('callers by name, one or more required unless listen is a loopback address; the audit has the name'),
    token: tokenSecret().optional().describe('one more, of an operator who is called token'),
    hosts: z
      .array(z.string().min(1))
      .default([])
      .describe('host names under which the listener is called without a token, besides addresses and localhost'),
  })
  .superRefine(({ listen, token, tokens }, context) => {
    const report = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (token === undefined && Object.keys(tokens).length === 0 && !isLoopback(listen.hostname))
      report(['tokens'], `must be set when admin.listen (${listen.hostname}) can be reached from other machines`);
    if (token !== undefined && Object.hasOwn(tokens, 'token'))
      report(['tokens', 'token'], 'is what admin.token is called; take one of them out');
    const names = new Map<string, string>(token === undefined ? [] : [[token.reveal(), 'admin.token']]);
    for (const [name, one] of Object.entries(tokens)) {
      const other = names.get(one.token.reveal());
      if (other !== undefined)
        report(['tokens', name, 'token'], `is the same as that of ${other}: the audit could not tell them apart`);
      names.set(one.token.reveal(), name);
    }
  });

/** How the admin listener is set. */
export type AdminOptions = z.output<typeof adminOptions>;

/** Whether only this machine can reach an address; a host name other than localhost counts as reachable by all. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
