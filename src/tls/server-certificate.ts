/**
 * One certificate of ours with its key: read from its files, checked, and made ready for handshakes. What cannot serve is an
 * OperatorError; what serves but should be mended is a remark.
 */
import { constants, createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { OperatorError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { parseAuthorities, readAuthorities, systemAnchors } from './authorities.ts';
import { type ChainReport, chainReport, namesOf, orderChain, ownAmong } from './chain-report.ts';
import type { CertificateSource } from './options.ts';
import { readPkcs12 } from './pkcs12.ts';
import { isForUse } from './purpose.ts';

/** A certificate that can serve. */
export interface ServerCertificate {
  /** The file's own name, for logs and metrics. */
  readonly label: string;
  readonly source: CertificateSource;
  /** DNS names it is good for, in lower case; `*.` may stand before one. */
  readonly names: readonly string[];
  readonly report: ChainReport;
  /** False for one that was issued for clients only. */
  readonly isForServers: boolean;
  /** What `tls.Server.setSecureContext` takes. */
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  /** What serves all the same but should be mended, each with what to do. */
  readonly remarks: readonly string[];
}

/** Mozilla's "intermediate": TLS 1.2 and 1.3, forward secrecy and authenticated encryption only. The client's order counts. */
export const tlsPolicy = {
  minVersion: 'TLSv1.2',
  ciphers: [
    ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
    ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ].join(':'),
  honorCipherOrder: false,
  // Renegotiation costs a server more than its client, and HTTP/2 forbids it (RFC 9113 §9.2.1).
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const satisfies SecureContextOptions;

/** The files that make up a certificate. */
export function filesOf(source: CertificateSource): readonly string[] {
  return 'pkcs12' in source ? [source.pkcs12] : [source.certificate, source.key];
}

/**
 * Reads and checks a certificate with its key. Dates and use are for the caller to judge: an expired one can be read. With `ca`
 * its contexts judge clients by these authorities; one without would take Node's public CAs for them.
 */
export async function readServerCertificate(
  source: CertificateSource,
  ca?: readonly string[],
): Promise<ServerCertificate> {
  const { certificates, keys, keyFile, certificateFile } = await readParts(source);
  const own = keys.flatMap((key) =>
    ownAmong(certificates).flatMap((leaf) => (leaf.checkPrivateKey(key) ? [{ leaf, key }] : [])),
  )[0];
  if (!own)
    throw new OperatorError(
      `the key in ${keyFile} is not the key of any certificate in ${certificateFile}`,
      'put the two that belong together side by side; a certificate that was renewed may have come with a new key',
    );
  const chain = orderChain([own.leaf, ...certificates.filter((certificate) => certificate !== own.leaf)]);
  const anchors = source.ca === undefined ? [] : readAuthorities(source.ca).certificates;
  const report = chainReport(chain, [...systemAnchors(), ...anchors]);
  const isForServers = isForUse(own.leaf, 'server');
  if (source.name !== undefined) requireName(own.leaf, source.name, certificateFile, isForServers);
  const options: SecureContextOptions = {
    ...tlsPolicy,
    ...(source.minVersion && { minVersion: source.minVersion }),
    // A list of its own: an empty one trusts nobody.
    ...(ca && { ca: [...ca] }),
    cert: chain.map(String).join(''),
    key: own.key.export({ type: 'pkcs8', format: 'pem' }),
  };
  return {
    label: path.basename(certificateFile),
    source,
    names: namesOf(own.leaf, 'DNS').map((name) => name.toLowerCase()),
    report,
    options,
    isForServers,
    context: contextOf({ ...options, ...(ca && { allowPartialTrustChain: true }) }, certificateFile),
    remarks: [
      ...chainRemarks(report, certificates, chain),
      ...(isForServers
        ? []
        : ['it was issued for other uses than TLS servers, and clients refuse it; have it issued anew']),
      ...(await keyRemarks(keyFile)),
    ],
  };
}

/** Throws unless a name stands in the subjectAltName of a certificate as it is, and servers may use it. */
function requireName(leaf: X509Certificate, name: string, file: string, isForServers: boolean): void {
  if (!isForServers)
    throw new OperatorError(
      `the certificate in ${file} was issued for other uses than TLS servers`,
      'have it issued anew, with serverAuth among its uses',
    );
  const names = namesOf(leaf, 'DNS').map((one) => one.toLowerCase());
  if (names.includes(name)) return;
  throw new OperatorError(
    `the certificate in ${file} is not for ${name}; its names are ${names.join(', ') || 'none (a Common Name does not count)'}`,
    'have it issued with exactly that name in subjectAltName, or correct name:',
  );
}

/** Whether a certificate, or one of its chain, is outside its dates at a time in milliseconds; undefined when it is good. */
export function dateProblem({ report }: Pick<ServerCertificate, 'report'>, now: number): string | undefined {
  const early = report.certificates.find(({ validFrom }) => validFrom.getTime() > now);
  if (early) return `${early.subject} is valid only from ${early.validFrom.toISOString()} on`;
  const late = report.certificates.find(({ validTo }) => validTo.getTime() <= now);
  return late && `${late.subject} expired on ${late.validTo.toISOString()}`;
}

interface Parts {
  readonly certificates: readonly X509Certificate[];
  readonly keys: readonly KeyObject[];
  readonly certificateFile: string;
  readonly keyFile: string;
}

async function readParts(source: CertificateSource): Promise<Parts> {
  if ('pkcs12' in source) {
    const file = source.pkcs12;
    const { certificates, keys } = readPkcs12(await readBytes(file), source.password, `the file ${file}`);
    if (certificates.length === 0 || keys.length === 0)
      throw new OperatorError(
        `the file ${file} holds no ${certificates.length === 0 ? 'certificate' : 'private key'}`,
        'export it again, with the private key and the chain',
      );
    return { certificates, keys, certificateFile: file, keyFile: file };
  }
  // One after the other, so that of two files that are missing the same one is always told.
  const certificate = await readBytes(source.certificate);
  const key = await readBytes(source.key);
  const { certificates } = parseAuthorities(certificate.toString('latin1'), `the file ${source.certificate}`);
  const keys = [readKey(key, source.password, source.key)];
  return { certificates, keys, certificateFile: source.certificate, keyFile: source.key };
}

/** Reads a private key in PEM; `file` names it in errors. */
export function readKey(bytes: Buffer, password: Secret | undefined, file: string): KeyObject {
  const text = bytes.toString('latin1');
  if (!/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text))
    throw new OperatorError(
      `the file ${file} holds no private key in PEM`,
      'it must hold a "-----BEGIN PRIVATE KEY-----" block; a DER key is converted with: openssl pkey -inform der',
    );
  if (!/-----END [A-Z0-9 ]*PRIVATE KEY-----/.test(text))
    throw new OperatorError(`the file ${file} is cut off: a key begins and does not end`, 'copy it again, whole');
  const isEncrypted = /BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text);
  if (isEncrypted && !password)
    throw new OperatorError(
      `the key in ${file} has a password, and none is configured`,
      'write it under password: as { env: NAME } or { file: PATH }',
    );
  try {
    return createPrivateKey({ key: text, format: 'pem', ...(isEncrypted && { passphrase: password?.reveal() ?? '' }) });
  } catch (error) {
    if (isEncrypted) throw new OperatorError(`the password of the key in ${file} is wrong`, 'correct password:', error);
    throw new OperatorError(`the key in ${file} cannot be read`, 'copy it again, whole', error);
  }
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    const bytes = await readFile(file);
    if (bytes.length > 0) return bytes;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    const why =
      { ENOENT: 'does not exist', EACCES: 'may not be read by this user', EISDIR: 'is a folder' }[code] ??
      `cannot be read (${code})`;
    throw new OperatorError(`the file ${file} ${why}`, 'check the path and its permissions', error);
  }
  throw new OperatorError(`the file ${file} is empty`, 'copy it again, whole');
}

function contextOf(options: SecureContextOptions, file: string): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const hint = /too small|too weak/i.test(message)
      ? 'issue a certificate with RSA 2048 bits or more, or an elliptic curve, signed with SHA-256'
      : 'check it with: gatehouse cert check FILE';
    throw new OperatorError(`the certificate in ${file} cannot be used: ${message}`, hint, error);
  }
}

function chainRemarks(
  report: ChainReport,
  certificates: readonly X509Certificate[],
  chain: readonly X509Certificate[],
): string[] {
  const remarks: string[] = [];
  const strays = certificates.length - chain.length;
  const isInOrder = chain.every((certificate, index) => certificate === certificates[index]);
  if (strays > 0) remarks.push(`${strays} of the certificates are not of its chain and are not sent; take them out`);
  else if (!isInOrder)
    remarks.push('the certificates stand in another order than the chain; they are sent in the right one');
  if (report.missing !== undefined && report.certificates.at(-1)?.selfSigned !== true)
    remarks.push(
      `the chain is not complete: the certificate of "${report.missing}" is missing, unless that is a CA of your own that visitors trust; append it to the file, or name such a root under ca:`,
    );
  if (report.certificates[0]?.names.length === 0)
    remarks.push('it has no subjectAltName, and browsers refuse it; have it issued anew with one');
  return remarks;
}

async function keyRemarks(file: string): Promise<string[]> {
  const { mode } = await stat(file);
  return (mode & 0o004) === 0 ? [] : [`every user of this machine may read its key; chmod 640 ${path.basename(file)}`];
}
