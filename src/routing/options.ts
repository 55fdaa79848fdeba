/** What can be set about a site's addresses, and about a location: where it is, who may pass, what a request may look like. */
import * as z from 'zod';
import { cidr, httpUrl, wordsForVisitors } from '../config/values.ts';
import { accessOptions } from './access-options.ts';
import { readRouteHost } from './host.ts';
import { parseLocation } from './location-text.ts';

/** Where a site is that says nothing of it: to be told by identity from the same address written down. */
export const defaultPublicUrl = new URL('http://localhost:8080');

/** What stands under `server:` about whom to believe and what browsers see. */
export const siteOptions = z.strictObject({
  publicUrl: httpUrl()
    .refine((url) => url.pathname === '/', 'must be an origin, such as https://cc.example.com')
    .default(defaultPublicUrl)
    .describe('what browsers see; cookies and redirects come from this, never from Host'),
  trustedProxies: z.array(cidr()).default([]).describe('peers whose X-Forwarded-* headers are believed'),
});

function isHostName(text: string): boolean {
  const host = readRouteHost(text);
  return host !== undefined && host.port === undefined;
}

/** What stands under `server:` about the names of a site with a listener of its own. */
export const hostOptions = z.strictObject({
  hosts: z
    .array(
      z
        .string()
        .refine(isHostName, 'must be a host such as cc.example.com, without a port: it is known with every one'),
    )
    .default([])
    .describe(
      "further names of the site, such as www.example.com or *.example.com; publicUrl's and the routes' are known",
    ),
  anyHost: z.boolean().default(false).describe('true: requests are taken by whatever Host they name; else 421'),
});

/** A location as written and as read; what nginx would not load is an error here. */
function locationText() {
  return z.string().transform((text, context) => {
    const reading = parseLocation(text);
    if (reading.kind === 'ok') return { text, ...reading.location };
    context.addIssue({ code: 'custom', message: reading.message });
    return z.NEVER;
  });
}

/** What requests have for other ends. */
const takenHeaders: ReadonlySet<string> = new Set([
  ...['authorization', 'cookie', 'host', 'connection', 'origin', 'referer', 'user-agent', 'te', 'upgrade', 'expect'],
  ...['content-type', 'content-length', 'content-encoding', 'transfer-encoding', 'accept', 'forwarded', 'x-real-ip'],
]);

function isTakenHeader(name: string): boolean {
  return takenHeaders.has(name) || /^(?:x-(?:forwarded|original|remote|gatehouse)|sec|proxy)-/.test(name);
}

/** What stands in each of `routes:` about requests and visitors. What is forwarded, and how, is `proxy/options.ts`'s. */
export const locationOptions = z.strictObject({
  name: z.string().min(1).optional().describe('what logs, metrics and the audit call it; the location when absent'),
  location: locationText().describe('nginx\'s words: "/p", "= /p", "^~ /p", "~ regex", "~* regex"'),
  host: z
    .string()
    .min(1)
    .optional()
    .describe('only for this host, or this port of it as in cc.example.com:8445; *.example.com for all below it'),
  access: accessOptions(),
  application: z
    .string()
    .optional()
    .describe('one of applications: its privileges count in access here, and the upstream is told them'),
  apiTokenHeader: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/, 'must be a header name of letters, digits and hyphens')
    .refine(
      (name) => !isTakenHeader(name.toLowerCase()),
      'must be a header that has no other meaning, such as X-Auth-Token',
    )
    .optional()
    .describe('a header under which programs may show an API token, beside Authorization; it goes no further'),
  contact: wordsForVisitors()
    .optional()
    .describe('whom to ask for access, on the refusal page; one text, or one a language: { en: …, fr: … }'),
  websocket: z.boolean().default(false).describe('WebSocket connections may be opened here'),
  allowedOrigins: z
    .array(z.string())
    .default([])
    .describe('other origins that may open WebSockets here, and whose requests may prove a user by a Kerberos ticket'),
  idleActivity: z.boolean().default(true).describe('false: requests here do not keep a session alive'),
  encodedSlashes: z.enum(['refuse', 'allow']).default('refuse').describe('whether %2F may stand in a path'),
  pathParameters: z.enum(['refuse', 'allow']).default('refuse').describe('whether ;name=value may stand in a path'),
  insecureRegex: z
    .boolean()
    .default(false)
    .describe('true: take a regular expression that a path made for it can keep busy for very long'),
  cache: z
    .enum(['revalidate', 'keep'])
    .default('revalidate')
    .describe(
      'keep: leave pages of signed-in users that bring no cache rule without one; else they are asked for anew',
    ),
  replayPosts: z
    .boolean()
    .default(false)
    .describe('a small form that meets an ended session is offered again after login'),
});

/** A location as configured. */
type LocationOptions = z.output<typeof locationOptions>;

/** What a route is called: its name, else its host and location as written. */
export function routeName({ name, host, location }: Pick<LocationOptions, 'name' | 'host' | 'location'>): string {
  return name ?? (host ? `${host} ${location.text}` : location.text);
}
