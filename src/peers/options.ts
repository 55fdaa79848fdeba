/** What stands under `services:` and `peers:`: what machines reach, and which machines there are. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { filePath, oneOrMore } from '../config/values.ts';
import type { PeerRow, Service } from '../core/peer.ts';
import { readPin } from '../tls/pins.ts';
import { readThumbprint } from '../tls/thumbprint.ts';

const maxRows = 10_000;
const maxThumbprints = 16;

const service = z.strictObject({
  label: z.string().min(1).optional().describe('what people call it'),
  admit: z
    .enum(['listed', 'any'])
    .default('listed')
    .describe('listed: machines whose row of peers names the service; any: every certificate that the listener takes'),
  secret: z.string().optional().describe('one of sharedSecrets, which a request must show besides the certificate'),
});

/** What machines reach. */
export const servicesOptions = z.record(
  z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/i, 'must be letters, digits and hyphens'),
  service,
);

const thumbprint = z.string().transform((text, context) => {
  const read = readThumbprint(text);
  if (read.kind === 'thumbprint') return read;
  context.addIssue({ code: 'custom', message: read.problem, params: { hint: read.hint } });
  return z.NEVER;
});

const dnsName = z
  .string()
  .transform((name) => name.toLowerCase().replace(/\.$/, ''))
  .refine(
    (name) => /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/.test(name),
    'must be a DNS name such as agent1.corp.example.com; * may stand for its first label',
  );

const uri = z
  .string()
  .regex(
    /^[a-z][a-z0-9+.-]*:\/\/[^\s*,"]+(?:\/\*)?$/i,
    'must be a URI such as spiffe://corp/qms/recorder; /* may stand at its end',
  );

/** PEM or DER; the certificate of one machine. */
const importedFile = filePath().transform((file, context) => {
  try {
    return new X509Certificate(readFileSync(file));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const what = code === 'ENOENT' ? 'does not exist' : 'is no certificate that can be read';
    const hint = 'export it as .cer (DER or Base-64), or as PEM; a .p7b holds several: gatehouse cert import';
    context.addIssue({ code: 'custom', message: `the file ${file} ${what}`, params: { hint } });
    return z.NEVER;
  }
});

/** A date alone counts to its end. */
const until = z.string().transform((text, context) => {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T23:59:59.999Z`) : Date.parse(text);
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && Number.isFinite(at)) return at;
  context.addIssue({ code: 'custom', message: 'must be a date such as 2027-01-31, or 2027-01-31T22:00:00Z' });
  return z.NEVER;
});

const peer = z
  .strictObject({
    thumbprints: oneOrMore(thumbprint)
      .optional()
      .describe(
        'of its certificate, any of these: SHA-256, or SHA-1 as Windows shows it, for which authorities must vouch',
      ),
    pins: z
      .array(
        z
          .string()
          .refine(
            (text) => text.startsWith('sha256/') && readPin(text).kind === 'pin',
            'must be a pin such as sha256/BASE64, which gatehouse cert show prints',
          ),
      )
      .optional()
      .describe('of its key, any of these: a renewed certificate with the same key goes on'),
    names: z
      .array(dnsName)
      .optional()
      .describe('DNS names in subjectAltName, any of these; * stands for one label. Authorities must vouch'),
    uris: z
      .array(uri)
      .optional()
      .describe('URIs in subjectAltName, such as SPIFFE IDs, any of these; authorities must vouch'),
    certificate: importedFile.optional().describe('a file with its certificate, PEM or DER, which needs no authority'),
    trust: z
      .enum(['chain', 'certificate'])
      .default('chain')
      .describe('certificate: what thumbprints (SHA-256) and pins name needs no authority'),
    purpose: z
      .enum(['client', 'any'])
      .default('client')
      .describe('any: also a certificate that was not issued for clients; for thumbprints (SHA-256), pins and files'),
    services: z.array(z.string()).default([]).describe('what it may reach'),
    until: until.optional().describe('a date to which it is let in'),
    contact: z.string().min(1).optional().describe('whom to tell when it is refused; in the audit and in explain'),
  })
  .superRefine((row, context) => {
    const report = (path: (string | number)[], message: string, hint: string): void =>
      context.addIssue({ code: 'custom', path, message, params: { hint } });
    const { thumbprints = [], pins = [], names = [], uris = [], certificate } = row;
    if (thumbprints.length + pins.length + names.length + uris.length === 0 && !certificate)
      report([], 'says nothing by which the machine is known', 'write thumbprints, pins, names, uris or certificate');
    if (thumbprints.length > maxThumbprints)
      report(
        ['thumbprints'],
        `has ${thumbprints.length}, and ${maxThumbprints} are the most`,
        'a machine has one or two',
      );
    const sha1 = thumbprints.findIndex(({ algorithm }) => algorithm === 'sha1');
    for (const [key, isSaid] of [
      ['trust', row.trust === 'certificate'],
      ['purpose', row.purpose === 'any'],
    ] as const) {
      if (!isSaid) continue;
      const words = `and ${key}: ${row[key]} is for what names one key: SHA-256, a pin or a file`;
      if (sha1 >= 0) report(['thumbprints', sha1], `is SHA-1, ${words}`, 'paste the SHA-256 thumbprint');
      if (names.length > 0) report(['names'], `may be in many certificates, ${words}`, 'give them a row of their own');
      if (uris.length > 0) report(['uris'], `may be in many certificates, ${words}`, 'give them a row of their own');
    }
  });

/** The inbound table: one row a machine. */
export const peersOptions = z
  .record(
    z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/i, 'must be letters, digits, dots and hyphens, 63 at most'),
    peer,
  )
  .refine((rows) => Object.keys(rows).length <= maxRows, `may have ${maxRows} rows at most`);

/** Both, as a configuration has them. */
export interface PeersDocument {
  readonly services: z.output<typeof servicesOptions>;
  readonly peers: z.output<typeof peersOptions>;
}

/** The services by name. */
export function servicesOf({ services }: Pick<PeersDocument, 'services'>): ReadonlyMap<string, Service> {
  return new Map(
    Object.entries(services).map(([name, { label, admit }]) => [
      name,
      { name, admit, ...(label !== undefined && { label }) },
    ]),
  );
}

/** The rows, in the order of the file. */
export function rowsOf({ peers }: Pick<PeersDocument, 'peers'>): readonly PeerRow[] {
  return Object.entries(peers).map(([name, row]) => {
    const { thumbprints = [], pins = [], names = [], uris = [], certificate, until: end, contact } = row;
    const of = (algorithm: 'sha1' | 'sha256') =>
      thumbprints.filter((one) => one.algorithm === algorithm).map(({ hex }) => hex);
    const imported = certificate?.fingerprint256.replaceAll(':', '').toLowerCase();
    const file = imported === undefined ? [] : [imported];
    const sha256 = [...of('sha256'), ...file];
    return {
      ...{ name, pins, names, uris, sha256, sha1: of('sha1') },
      ownAnchors: row.trust === 'certificate' ? [...sha256, ...pins] : file,
      anyUse: row.purpose === 'any',
      services: row.services,
      ...(end !== undefined && { until: end }),
      ...(contact !== undefined && { contact }),
    };
  });
}
