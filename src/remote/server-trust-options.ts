/** Options with which one server of several says what its certificate must be: a pin, a thumbprint, a name, the file itself. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { filePath } from '../config/values.ts';
import type { ServerTrust } from '../core/route.ts';
import { pins } from './trust-options.ts';

/** The certificate in a file, in PEM or DER (a `.cer` of Windows is either); yields PEM. */
function certificateFile() {
  return filePath().transform((path, context) => {
    const fail = (message: string): typeof z.NEVER => {
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    };
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
      return fail(`the file ${path} cannot be read (${code})`);
    }
    try {
      return new X509Certificate(bytes).toString();
    } catch {
      return fail(`the file ${path} holds no certificate in PEM or DER`);
    }
  });
}

/** What may stand beside a server's address. */
export const serverTrustOptions = {
  name: z
    .string()
    .min(1)
    .optional()
    .describe('the name that the certificate of this server must carry, when it is not the host of its address'),
  pins: pins()
    .optional()
    .describe("public keys as sha256/BASE64, one of which must be the server's, besides a good chain"),
  thumbprints: pins()
    .optional()
    .describe('of certificates, as Windows or openssl shows them: SHA-256, or SHA-1; one must be that of the server'),
  trust: z
    .enum(['chain', 'certificate'])
    .default('chain')
    .describe('certificate: the file under certificate is the one that the server must show, and no CA is asked'),
  certificate: certificateFile()
    .optional()
    .describe("the server's own certificate, PEM or DER, with trust: certificate"),
};

/** What was written of a server. */
interface WrittenTrust {
  readonly name?: string | undefined;
  readonly pins?: readonly string[] | undefined;
  readonly thumbprints?: readonly string[] | undefined;
  readonly trust: 'chain' | 'certificate';
  readonly certificate?: string | undefined;
}

/** The trust in one server; what contradicts itself is an error at its key. */
export function trustOf(
  { name, pins: keys = [], thumbprints = [], trust, certificate }: WrittenTrust,
  isSecure: boolean,
  context: z.RefinementCtx,
): { readonly trust?: ServerTrust } {
  const report = (key: string, message: string, hint: string): void =>
    context.addIssue({ code: 'custom', path: [key], message, params: { hint } });
  const isPinned = name !== undefined || keys.length + thumbprints.length > 0 || certificate !== undefined;
  if (!isSecure && isPinned)
    report('url', 'has no TLS that could be checked', 'use https://, or take name, pins, thumbprints, certificate out');
  if (trust === 'certificate' && certificate === undefined)
    report('trust', 'names the certificate that the server must show, and none is given', 'add certificate: FILE');
  if (trust === 'chain' && certificate !== undefined)
    report(
      'certificate',
      'is for trust: certificate',
      'add trust: certificate, or pin it by thumbprints: beside its chain',
    );
  if (trust === 'certificate' && thumbprints.some((digits) => digits.length === 40))
    report('thumbprints', 'has one of SHA-1, which says nothing where no CA is asked', 'write the SHA-256 one');
  const all = [...keys, ...thumbprints];
  if (!isPinned) return {};
  return {
    trust: {
      ...(name !== undefined && { name }),
      ...(all.length > 0 && { pins: all }),
      ...(certificate !== undefined && { certificate }),
    },
  };
}
