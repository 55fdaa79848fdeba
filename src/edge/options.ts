/** Where browsers connect, and the limits of those connections. */
import * as z from 'zod';
import { byteSize, cidr, duration, httpUrl, oneOrMore } from '../config/values.ts';
import { tlsOptions } from '../tls/options.ts';

const listenAddress = () =>
  httpUrl().refine((url) => url.pathname === '/', 'must be an address and a port, such as http://127.0.0.1:8080');

const healthPath = z
  .string()
  .regex(/^(?:\/[A-Za-z0-9._~-]+)+$/, 'must be a path of its own such as /healthz, without query and closing slash')
  .refine((path) => !/\/\.{1,2}(?:\/|$)/.test(path), 'must not hold . or .. for a folder')
  .refine((path) => !/^\/_gate(?:\/|$)/.test(path), 'must not lie under /_gate, where the pages of the gateway are');

/** What stands under `server:` about listeners. */
export const listenerOptions = z.strictObject({
  listen: oneOrMore(listenAddress())
    .prefault('http://127.0.0.1:8080')
    .describe('where browsers connect; one or a list'),
  tls: tlsOptions.optional().describe('certificate and key of the https listeners; a list serves several hosts'),
  maxHeaderSize: byteSize().prefault('64kb').describe('the request head; a Kerberos ticket needs room'),
  maxConnections: z.int().min(1).default(10_000).describe('client connections held at once'),
  headTimeout: duration().prefault('15s').describe('for a request head to arrive'),
  keepAlive: duration().prefault('65s').describe('how long an idle client connection is kept'),
  proxyProtocol: z
    .array(cidr())
    .default([])
    .describe(
      'balancers that begin each connection with a PROXY header, version 1 or 2; the address in it is the peer',
    ),
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
