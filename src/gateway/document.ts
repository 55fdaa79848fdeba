/**
 * The whole configuration, put together from each room's own options, and the checks that need more than one of them.
 * `config/load.ts` reads a file by it; `build.ts` makes objects of the result.
 */
import * as z from 'zod';
import { adminOptions } from '../admin/options.ts';
import { byteSize, cidr, duration, fileText, httpUrl } from '../config/values.ts';
import { loginOptions, providersOptions } from '../login/options.ts';
import { pageOptions } from '../pages/options.ts';
import { roleOptions } from '../policy/roles.ts';
import { parseLocation } from '../routing/location-text.ts';
import { storeOptions } from '../store/index.ts';
import { auditOptions, logOptions } from '../telemetry/options.ts';
import { tlsOptions } from '../tls/options.ts';
import { checkDocument } from './document-checks.ts';

const listenAddress = () =>
  httpUrl().refine((url) => url.pathname === '/', 'must be an address and a port, such as http://127.0.0.1:8080');

const oneOrMore = <Item extends z.ZodType>(item: Item) =>
  z
    .union([item, z.array(item).min(1)])
    .transform((value) => (Array.isArray(value) ? value : [value]) as z.output<Item>[]);

const serverOptions = z.strictObject({
  listen: oneOrMore(listenAddress())
    .prefault('http://127.0.0.1:8080')
    .describe('where browsers connect; one or a list'),
  publicUrl: httpUrl()
    .refine((url) => url.pathname === '/', 'must be an origin, such as https://cc.example.com')
    .prefault('http://localhost:8080')
    .describe('what browsers see; cookies and redirects come from this, never from Host'),
  tls: tlsOptions.optional().describe('certificate and key of the https listeners; a list serves several hosts'),
  redirectHttp: z
    .boolean()
    .default(false)
    .describe('true: the http listeners only send browsers to publicUrl, which is https'),
  hsts: z
    .union([z.literal(false), duration()])
    .prefault('365d')
    .describe('for how long browsers are told to use https only, when publicUrl is https; false: not at all'),
  trustedProxies: z.array(cidr()).default([]).describe('peers whose X-Forwarded-* headers are believed'),
  maxHeaderSize: byteSize().prefault('64kb').describe('the request head; a Kerberos ticket needs room'),
  maxConnections: z.int().min(1).default(10_000).describe('client connections held at once'),
  headTimeout: duration().prefault('15s').describe('for a request head to arrive'),
  keepAlive: duration().prefault('65s').describe('how long an idle client connection is kept'),
  drain: duration().prefault('20s').describe('after SIGTERM, how long requests under way may take'),
});

const sessionOptions = z.strictObject({
  idle: duration().prefault('30m').describe('without activity that counts'),
  lifetime: duration().prefault('12h').describe('whatever happens'),
  perUser: z.int().min(1).default(20).describe('sessions of one user at once; the oldest ends'),
  store: storeOptions.prefault({ type: 'embedded', path: '../data' }),
});

const upstream = z.union([
  oneOrMore(upstreamUrl()).transform((servers) => ({ servers })),
  z.strictObject({
    servers: oneOrMore(upstreamUrl()),
    ca: fileText().optional().describe('PEM file of the authorities that vouch for an https upstream'),
    certificate: fileText().optional().describe('client certificate for the upstream'),
    key: fileText().optional().describe('its key'),
    servername: z
      .string()
      .optional()
      .describe('the name the certificate must carry, when it is not the host of the URL'),
  }),
]);

/** A server of an upstream. As in nginx it matters whether a path is written, be it a lone slash: `URL` does not keep that. */
function upstreamUrl() {
  return z.string().transform((text, context) => {
    const { data: url, error } = httpUrl().safeParse(text);
    if (url) return { url, path: /^[a-z]+:\/\/[^/]+(\/.*)$/i.exec(text) ? url.pathname : undefined };
    context.addIssue({ code: 'custom', message: error.issues[0]?.message ?? 'must be an address' });
    return z.NEVER;
  });
}

/** A location as written and as read; what nginx would not load is an error here. */
function locationText() {
  return z.string().transform((text, context) => {
    const reading = parseLocation(text);
    if (reading.kind === 'ok') return { text, ...reading.location, warnings: reading.warnings };
    context.addIssue({ code: 'custom', message: reading.message });
    return z.NEVER;
  });
}

const requirement = z.strictObject({
  roles: z.array(z.string()).default([]).describe('any of these'),
  providers: z.array(z.string()).default([]).describe('any of these'),
  bearer: z.boolean().default(false).describe('API clients may show a bearer token here, where a provider takes them'),
  maxAge: duration().optional().describe('since credentials were last proved; older asks again'),
});

const headerName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be a header name of letters, digits and hyphens');
const headerTemplates = z.record(
  headerName,
  z.union([
    z.string(),
    z.literal(false),
    z.strictObject({ value: z.string(), encoding: z.enum(['percent', 'rfc8187']).default('percent') }),
  ]),
);

const route = z.strictObject({
  name: z.string().min(1).optional().describe('what logs, metrics and the audit call it; the location when absent'),
  location: locationText().describe('nginx\'s words: "/p", "= /p", "^~ /p", "~ regex", "~* regex"'),
  host: z.string().min(1).optional().describe('only for this host; *.example.com for all below it'),
  upstream: upstream.describe("nginx's proxy_pass: with a path, the matched prefix is replaced; a list is balanced"),
  access: z
    .union([z.literal('public'), z.literal('deny'), requirement])
    .prefault({})
    .describe('who may pass; anybody signed in when absent'),
  contact: z.string().min(1).optional().describe('whom to ask for access; shown on the refusal page'),
  headers: headerTemplates.default({}).describe('added to or replacing the general ones; false removes one'),
  websocket: z.boolean().default(false).describe('WebSocket connections may be opened here'),
  allowedOrigins: z.array(z.string()).default([]).describe('other origins that may open WebSockets here'),
  idleActivity: z.boolean().default(true).describe('false: requests here do not keep a session alive'),
  timeout: duration().prefault('60s').describe("for the upstream's answer to begin, and between two parts of a body"),
  connectTimeout: duration().prefault('3s').describe('for a connection to the upstream'),
  encodedSlashes: z.enum(['refuse', 'allow']).default('refuse').describe('whether %2F may stand in a path'),
  pathParameters: z.enum(['refuse', 'allow']).default('refuse').describe('whether ;name=value may stand in a path'),
  replayPosts: z
    .boolean()
    .default(false)
    .describe('a small form that meets an ended session is offered again after login'),
  maxBody: byteSize().prefault('1gb').describe('of a request; 0 is no limit'),
  preserveHost: z.boolean().default(true).describe("the client's Host goes upstream; false: the upstream's own"),
});

/** The schema of `gatehouse.yaml`. */
export const documentSchema = z
  .strictObject({
    server: serverOptions.prefault({}).describe('the public listener'),
    admin: adminOptions.prefault({}).describe("the operator's listener"),
    login: loginOptions.describe('how users sign in'),
    session: sessionOptions.prefault({}).describe('how long they stay'),
    providers: providersOptions.describe('what proves who they are'),
    roles: roleOptions.prefault({}).describe('what they may do'),
    headers: headerTemplates
      .default({})
      .describe('for every upstream, added to or replacing the default ones; false removes one'),
    routes: z.array(route).min(1).describe('the applications'),
    pages: pageOptions.prefault({}).describe('what the pages say and look like'),
    assertion: z
      .strictObject({ algorithm: z.enum(['EdDSA', 'ES256']).default('EdDSA'), rotate: duration().prefault('30d') })
      .prefault({})
      .describe('the signed identity'),
    log: logOptions.prefault({}),
    audit: auditOptions.prefault({}),
  })
  .superRefine(checkDocument);

/** A configuration that has been read and checked. */
export type Document = z.output<typeof documentSchema>;

/** The parts that the checks across rooms look at. */
export type RouteDocument = z.output<typeof route>;
