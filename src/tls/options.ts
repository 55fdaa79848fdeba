/** What can be set about the certificates of the https listeners. */
import * as z from 'zod';
import { filePath, secret } from '../config/values.ts';
import type { Secret } from '../core/secret.ts';

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
  })
  .transform(({ certificate: pem, key, pkcs12, password, ca }, context): CertificateSource => {
    const report = (path: string, message: string): typeof z.NEVER => {
      context.addIssue({ code: 'custom', path: [path], message });
      return z.NEVER;
    };
    const own = { ...(password && { password }), ...(ca !== undefined && { ca }) };
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
} & ({ readonly certificate: string; readonly key: string } | { readonly pkcs12: string });
