/** What can be set about the application behind a location: its servers, how they are trusted, and who is led to which of them. */
import * as z from 'zod';
import { duration, fileText, httpUrl, oneOrMore } from '../config/values.ts';
import type { Upstream, UpstreamServer, UpstreamTls } from '../core/route.ts';
import { serverTrustOptions, trustOf } from '../remote/server-trust-options.ts';

/** A server as written: where it is, and the path behind it, of which it matters whether there is one. */
type WrittenServer = UpstreamServer & { readonly path: string | undefined };

/** The longest path that Linux takes for a socket, in bytes. */
const maxSocketPath = 107;

/** A server's address. As in nginx it matters whether a path is written, be it a lone slash: `URL` does not keep that. */
function serverAddress() {
  return z.string().transform((text, context): WrittenServer => {
    const fail = (message: string, params: object = {}): never => {
      context.addIssue({ code: 'custom', message, params });
      return z.NEVER;
    };
    const [, scheme = '', socket] = /^([a-z]+):\/\/unix:(.*)$/is.exec(text) ?? [];
    if (socket !== undefined) {
      const [socketPath = '', path, ...more] = socket.split(':');
      if (scheme.toLowerCase() !== 'http')
        return fail('must be http: a Unix socket is of this machine', { hint: `write http://unix:${socket}` });
      const isPath = path === undefined || /^\/[^?#]*$/.test(path);
      if (!/^\/[^?#]+$/.test(socketPath) || !isPath || more.length > 0)
        return fail('must name a Unix socket as http://unix:/run/app.sock or http://unix:/run/app.sock:/path');
      if (Buffer.byteLength(socketPath) > maxSocketPath)
        return fail(`must name a Unix socket by a path of up to ${maxSocketPath} bytes`);
      return { origin: `http://unix:${socketPath}`, url: new URL('http://localhost'), socketPath, path };
    }
    const { data: url, error } = httpUrl().safeParse(text);
    if (url)
      return { origin: url.origin, url, path: /^[a-z]+:\/\/[^/]+(\/.*)$/i.test(text) ? url.pathname : undefined };
    const [issue] = error.issues;
    return fail(issue?.message ?? 'must be an address', issue?.code === 'custom' ? issue.params : {});
  });
}

const server = z
  .union([
    serverAddress(),
    z
      .strictObject({
        url: serverAddress().describe('such as http://app:8070, or http://unix:/run/app.sock'),
        weight: z.int().min(1).max(1000).default(1).describe('its share of requests beside the others'),
        backup: z.boolean().default(false).describe('asked only where no other server is there'),
        ...serverTrustOptions,
      })
      .transform(
        ({ url, weight, backup, ...trust }, context): WrittenServer => ({
          ...url,
          ...(weight !== 1 && { weight }),
          ...(backup && { isBackup: true }),
          ...trustOf(trust, url.url.protocol === 'https:', context),
        }),
      ),
  ])
  .meta({ kind: 'an address such as http://app:8070, or { url: …, weight: 5 }' });

const words = 'an address such as http://app:8070, a list of them, or { servers: [...] } with more options';

/** What `upstream:` of a route may say. */
export function upstreamOptions() {
  return z
    .union([
      oneOrMore(serverAddress()).transform((servers) => ({
        ...{ servers, sticky: undefined, keepAlive: undefined },
        protocol: 'http' as const,
      })),
      z.strictObject({
        servers: oneOrMore(server).describe(
          'in turn, by weight; one that cannot be connected to is left alone for a while',
        ),
        sticky: z
          .enum(['cookie', 'address'])
          .optional()
          .describe('a visitor stays at one server: by a cookie, or by the client address'),
        protocol: z
          .enum(['http', 'h2', 'h2c', 'grpc'])
          .default('http')
          .describe(
            'h2: HTTP/2 over https; h2c: HTTP/2 in the clear; grpc: either, by the scheme, for gRPC calls alone',
          ),
        keepAlive: duration()
          .optional()
          .describe(
            'for which an idle connection is kept, shorter than the servers keep theirs; 0 keeps none; 4s when absent',
          ),
        ca: fileText()
          .optional()
          .describe('PEM file of the certificate authorities (CAs) that signed the certificate of an https upstream'),
        certificate: fileText().optional().describe('client certificate for the upstream'),
        key: fileText().meta({ secretFile: true }).optional().describe('its key'),
        servername: z
          .string()
          .optional()
          .describe('the name the certificate must carry, when it is not the host of the URL'),
      }),
    ])
    .meta({ kind: words });
}

/** The application behind a location as configured. */
type UpstreamOptions = z.output<ReturnType<typeof upstreamOptions>>;

/** The application behind a location, as it is called. */
export function upstreamOf(options: UpstreamOptions): Upstream {
  const { servers, sticky, keepAlive, protocol, ...tls } = options;
  const path = servers[0]?.path;
  return {
    servers: servers.map(({ path: _, ...one }) => one),
    ...(path !== undefined && { path }),
    ...(protocol !== 'http' && { protocol }),
    ...(sticky && { sticky }),
    ...(keepAlive !== undefined && { keepAlive }),
    ...(Object.keys(tls).length > 0 && { tls: tls as UpstreamTls }),
  };
}

/** What contradicts itself in an upstream. */
export function upstreamFaults({
  servers,
  sticky,
  protocol,
}: UpstreamOptions): readonly { readonly message: string; readonly hint: string }[] {
  const faults: { message: string; hint: string }[] = [];
  const scheme = { h2: 'https:', h2c: 'http:' }[String(protocol)];
  if (scheme !== undefined && servers.some(({ url }) => url.protocol !== scheme))
    faults.push({
      message: `speaks ${protocol}, which is for ${scheme}// servers`,
      hint: protocol === 'h2' ? 'write h2c for http:// servers' : 'write h2 for https:// servers',
    });
  if (protocol !== 'http' && servers.some(({ socketPath }) => socketPath !== undefined))
    faults.push({
      message: `speaks ${protocol}, which no Unix socket is asked in`,
      hint: 'name a port of the application',
    });
  if (servers.every(({ isBackup }) => isBackup))
    faults.push({
      message: 'has backup servers only, which stand in for nobody',
      hint: 'take backup: true from one of them',
    });
  const twice = servers.find((one, index) => servers.findIndex(({ origin }) => origin === one.origin) < index);
  if (twice && (sticky !== undefined || twice.weight !== undefined || twice.isBackup))
    faults.push({ message: `names ${twice.origin} twice`, hint: 'write it once; weight: gives it a larger share' });
  if (sticky !== undefined && servers.length === 1)
    faults.push({
      message: `has sticky: ${sticky} and one server, to which everybody is led`,
      hint: 'take sticky out, or name the other servers',
    });
  return faults;
}
