/** What can be set about the certificates of the https listeners, and about those that they ask of clients. */
import * as z from 'zod';
import { duration, filePath, oneOrMore, secret } from '../config/values.ts';
import { OperatorError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { readClientAuthorities } from './client-authorities.ts';

/** A host as certificates and TLS name it: labels, no wildcard, no address. */
export function serverName() {
  return z
    .string()
    .regex(
      /^(?=.{1,253}$)(?!\d+(?:\.\d+)*$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/,
      'must be a host name such as qms01.corp.example.com, without a wildcard',
    )
    .transform((name) => name.toLowerCase());
}

const certificate = z
  .strictObject({
    certificate: filePath()
      .optional()
      .describe('PEM: the certificate of the site and after it its intermediates, as nginx takes it'),
    key: filePath().optional().describe('PEM: its private key'),
    pkcs12: filePath()
      .optional()
      .describe('in place of both: a .p12 or .pfx file with certificate, intermediates and key'),
    password: secret().optional().describe('of the key or of the .p12 file, where it has one'),
    ca: filePath()
      .optional()
      .describe(
        'PEM: the root certificate of your own CA; `check` takes a chain that ends there as complete, as it does for public CAs',
      ),
    name: serverName()
      .optional()
      .describe(
        'the exact host that must stand in its subjectAltName, at the start and in whatever replaces it; a wildcard does not count',
      ),
    minVersion: z
      .enum(['TLSv1.2', 'TLSv1.3'])
      .optional()
      .describe('the oldest TLS that is spoken; TLSv1.2 when absent. One for all certificates of a listener'),
  })
  .transform(({ certificate: pem, key, pkcs12, password, ca, name, minVersion }, context): CertificateSource => {
    const report = (path: string, message: string): typeof z.NEVER => {
      context.addIssue({ code: 'custom', path: [path], message });
      return z.NEVER;
    };
    const own = {
      ...(password && { password }),
      ...(ca !== undefined && { ca }),
      ...(name !== undefined && { name }),
      ...(minVersion !== undefined && { minVersion }),
    };
    if (pkcs12 === undefined) {
      if (pem === undefined) return report('certificate', 'must name a file, or pkcs12 must');
      return key === undefined ? report('key', 'must name the file of its key') : { certificate: pem, key, ...own };
    }
    if (pem === undefined && key === undefined) return { pkcs12, ...own };
    return report('pkcs12', 'holds certificate and key already; take the others out, or this');
  });

/** The options under `server.tls`: one certificate or a list, of which the first is for visitors who name no other's host. */
export const tlsOptions = z
  .union([certificate, z.array(certificate).min(1)])
  .transform((value) => (Array.isArray(value) ? value : [value]));

/** Where one certificate and its key are: two files in PEM, or one bundle. */
export type CertificateSource = {
  readonly password?: Secret;
  /** Authorities that visitors trust besides the usual ones. They are never sent, and nobody signs in by them. */
  readonly ca?: string;
  /** Must be in it, exactly. */
  readonly name?: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
} & ({ readonly certificate: string; readonly key: string } | { readonly pkcs12: string });

const authorities = z
  .union([
    filePath().transform((file) => ({ file, password: undefined })),
    z.strictObject({
      file: filePath().describe('a Java trust store, as keytool writes it: PKCS#12 or JKS'),
      password: secret().describe('its password'),
    }),
  ])
  .transform((source, context): AuthoritiesSource => {
    try {
      readClientAuthorities(source);
      return source;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      context.addIssue({ code: 'custom', message: error.message, params: { hint: error.hint } });
      return z.NEVER;
    }
  });

/** What a listener asks of its clients before anything else. */
export const clientCertificateOptions = z
  .strictObject({
    ask: z
      .enum(['never', 'optional', 'required'])
      .default('never')
      .describe('whether clients are asked for a certificate; required: without one the connection ends'),
    authorities: authorities
      .optional()
      .describe(
        'PEM, DER or a Java trust store: who vouches for clients, and nobody else does, the machine’s CAs least of all',
      ),
    crl: oneOrMore(filePath())
      .optional()
      .describe('revocation lists of these authorities, PEM or DER; the files are watched'),
    crlStale: z
      .enum(['refuse', 'keep'])
      .default('refuse')
      .describe(
        'once a list has ended: refuse all certificates of its authority, or keep looking them up in it; who is revoked there stays so',
      ),
    crlMaxAge: duration().prefault('7d').describe('how long a list holds that does not say when it ends'),
  })
  .superRefine(({ ask, authorities: from, crl }, context) => {
    if (crl !== undefined && from === undefined)
      context.addIssue({
        code: 'custom',
        path: ['crl'],
        message: 'are lists of authorities, and none are named',
        params: { hint: 'name the authority that has made the list under authorities' },
      });
    if (ask === 'never' && from !== undefined)
      context.addIssue({
        code: 'custom',
        path: ['ask'],
        message: 'is never, and authorities say whose certificates count: nobody would be asked for one',
        params: { hint: 'write ask: required, or ask: optional' },
      });
  });

/** What was set about the certificates of clients. */
export type ClientCertificateOptions = z.output<typeof clientCertificateOptions>;

/** Where the authorities of clients stand. */
export interface AuthoritiesSource {
  readonly file: string;
  readonly password: Secret | undefined;
}
