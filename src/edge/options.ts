/** Where browsers connect, and the limits of those connections. */
import * as z from 'zod';
import { byteSize, cidr, duration, httpUrl, oneOrMore } from '../config/values.ts';
import { clientCertificateOptions, serverName, tlsOptions } from '../tls/options.ts';

const listenAddress = () =>
  httpUrl().refine((url) => url.pathname === '/', 'must be an address and a port, such as http://127.0.0.1:8080');

/** Where it listens unless something is said of it. */
export const defaultListen = new URL('http://127.0.0.1:8080');

const balancers = () =>
  z
    .array(cidr())
    .describe(
      'balancers that begin each connection with a PROXY header, version 1 or 2; the address in it is the peer',
    );

const healthPath = z
  .string()
  .regex(/^(?:\/[A-Za-z0-9._~-]+)+$/, 'must be a path of its own such as /healthz, without query and closing slash')
  .refine((path) => !/\/\.{1,2}(?:\/|$)/.test(path), 'must not hold . or .. for a folder')
  .refine((path) => !/^\/_gate(?:\/|$)/.test(path), 'must not lie under /_gate, where the pages of the gateway are');

/** What stands under `server:` about listeners. */
export const listenerOptions = z.strictObject({
  listen: oneOrMore(listenAddress()).default([defaultListen]).describe('where browsers connect; one or a list'),
  tls: tlsOptions.optional().describe('certificate and key of the https listeners; a list serves several hosts'),
  maxHeaderSize: byteSize().prefault('64kb').describe('the request head; a Kerberos ticket needs room'),
  maxConnections: z.int().min(1).default(10_000).describe('client connections held at once'),
  headTimeout: duration().prefault('15s').describe('for a request head to arrive'),
  keepAlive: duration().prefault('65s').describe('how long an idle client connection is kept'),
  proxyProtocol: balancers().default([]),
  health: z
    .union([z.literal(false), healthPath])
    .meta({ kind: 'false, or a path such as /healthz' })
    .default(false)
    .describe('a path on the public listeners that tells balancers by 200 or 503 whether to send requests here'),
  lane: z
    .boolean()
    .default(true)
    .describe('requests that are simple beyond doubt go from socket to socket; false: each by the parser of Node'),
  workers: z
    .union([z.int().min(1, 'must be 1 or more, or auto').max(256), z.literal('auto')])
    .meta({ kind: 'a number, or auto' })
    .default(1)
    .describe('processes that take requests, Linux only; auto: as many as there are cores'),
  drain: duration().prefault('20s').describe('after SIGTERM, how long requests under way may take'),
});

const listener = z.strictObject({
  listen: oneOrMore(listenAddress()).describe(
    'where clients connect; one or a list. Several listeners may stand at one https address, told apart by hosts',
  ),
  hosts: z
    .array(serverName())
    .default([])
    .describe('the TLS server names of this listener; without any it takes those that no other has'),
  tls: tlsOptions.optional().describe('certificate and key of its https addresses, as under server.tls'),
  clientCertificates: clientCertificateOptions.prefault({}).describe('what it asks of clients before anything else'),
  redirectHttp: z
    .boolean()
    .default(false)
    .describe('true: its http addresses only send browsers to publicUrl, which is https'),
  proxyProtocol: balancers().optional().describe('as server.proxyProtocol, which holds when absent'),
});

/** What stands under `listeners:`. */
export const listenersOptions = z.record(
  z.string().regex(/^[a-z0-9][a-z0-9-]*$/i, 'must be letters, digits and hyphens'),
  listener,
);

/** One listener as it was configured. */
export type ListenerOptions = z.output<typeof listener>;
