/** What can be set about streams: where they listen, what they ask of who comes, where they lead. */
import * as z from 'zod';
import { cidr, duration, fileText, oneOrMore } from '../config/values.ts';
import type { ServerTrust } from '../core/route.ts';
import { serverTrustOptions, trustOf } from '../remote/server-trust-options.ts';
import { clientCertificateOptions, serverName, tlsOptions } from '../tls/options.ts';

/** An address of a stream; `isSecure`: over TLS. */
export interface StreamAddress {
  readonly isSecure: boolean;
  /** Without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
  /** In one spelling, `tls://host:port`. */
  readonly origin: string;
}

const form = /^(tls|tcp):\/\/(\[[\da-f:.]+\]|[a-z0-9_.-]+):(\d{1,5})\/?$/i;

/** `tls://host:port` or `tcp://host:port`; the port must be written, since no protocol says one. */
function streamAddress() {
  return z
    .string()
    .meta({
      kind: 'an address such as tls://0.0.0.0:9443 or tcp://127.0.0.1:7001',
      examples: ['tls://0.0.0.0:9443', 'tcp://127.0.0.1:7001'],
    })
    .transform((text, context): StreamAddress => {
      const [, scheme = '', host = '', port = ''] = form.exec(text) ?? [];
      const number = Number(port);
      if (scheme === '' || number > 65_535) {
        context.addIssue({
          code: 'custom',
          message: 'must be tls:// or tcp://, a host, and a port of 0 to 65535, such as tls://0.0.0.0:9443',
        });
        return z.NEVER;
      }
      const isSecure = scheme.toLowerCase() === 'tls';
      const shown = host.toLowerCase();
      const origin = `${scheme.toLowerCase()}://${shown}:${number}`;
      return { isSecure, host: shown.replace(/^\[(.*)\]$/, '$1'), port: number, origin };
    });
}

/** A server as it is written; the trust in it is checked with its address. */
type WrittenServer = StreamAddress & { readonly trust?: ServerTrust };

const server = z
  .union([
    streamAddress().transform((address): WrittenServer => address),
    z
      .strictObject({
        url: streamAddress().describe('such as tls://data-01.corp.example.com:9443'),
        ...serverTrustOptions,
      })
      .transform(
        ({ url, ...trust }, context): WrittenServer => ({
          ...url,
          ...trustOf(trust, url.isSecure, context),
        }),
      ),
  ])
  .meta({ kind: 'an address such as tls://data-01:9443, or { url: …, thumbprints: […] }' });

const upstream = z
  .union([
    oneOrMore(streamAddress()).transform((servers) => ({
      servers: servers as WrittenServer[],
      ca: undefined,
      certificate: undefined,
      key: undefined,
    })),
    z.strictObject({
      servers: oneOrMore(server).describe('in turn; one that cannot be connected to is asked after the others'),
      ca: fileText()
        .optional()
        .describe("PEM file of the CAs that signed the servers' certificates; the machine's when absent"),
      certificate: fileText().optional().describe('our own certificate, which must be good for clients'),
      key: fileText().meta({ secretFile: true }).optional().describe('its key'),
    }),
  ])
  .meta({ kind: 'an address such as tls://data-01:9443, a list of them, or { servers: […] } with more options' });

const limits = z.strictObject({
  connections: z.int().min(1).max(100_000).default(1000).describe('at once'),
  perPeer: z.int().min(1).max(100_000).default(200).describe('at once, of one machine of peers'),
  perAddress: z.int().min(1).max(100_000).default(50).describe('at once, from one address'),
  idle: duration().prefault('10m').describe('without a byte in either direction; 0s is without end'),
  lifetime: duration().prefault('24h').describe('from its beginning; 0s is without end'),
  handshake: duration().prefault('10s').describe('for a PROXY header, the TLS hello and the handshake'),
  connect: duration().prefault('3s').describe('for a connection to a server, its TLS included'),
});

const proxyProtocol = z.strictObject({
  accept: z
    .array(cidr())
    .default([])
    .describe('balancers that begin each connection with a PROXY header; nobody else may'),
  send: z
    .enum(['v1', 'v2'])
    .optional()
    .describe('the header that tells the servers whose connection it is; none when absent'),
});

const stream = z.strictObject({
  listen: oneOrMore(streamAddress()).describe(
    'tls:// or tcp:// with host and port; one or a list. Several streams may stand at one tls address, told apart by hosts',
  ),
  hosts: z
    .array(serverName())
    .default([])
    .describe('the TLS server names of this stream; without any it takes those that no other has'),
  passthrough: z
    .boolean()
    .default(false)
    .describe('true: TLS goes through as it is, and only the server name in its hello is read'),
  tls: tlsOptions.optional().describe('certificate and key of its tls addresses, as under server.tls'),
  clientCertificates: clientCertificateOptions.prefault({}).describe('what it asks of clients before anything else'),
  service: z
    .string()
    .optional()
    .describe('one of services: only machines come in that it admits, by the rows of peers'),
  networks: z
    .array(cidr())
    .min(1)
    .optional()
    .describe('who may connect; a tcp address that is not of this machine alone needs it'),
  proxyProtocol: proxyProtocol.prefault({}).describe("HAProxy's header before the first byte"),
  upstream: upstream.describe('where it leads'),
  limits: limits.prefault({}).describe('how many at once, and for how long'),
});

/** What stands under `streams:`. */
export const streamsOptions = z.record(
  z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/i, 'must be letters, digits and hyphens'),
  stream,
);

/** One stream as it was configured. */
export type StreamOptions = z.output<typeof stream>;
