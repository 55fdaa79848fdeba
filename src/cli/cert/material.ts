/** Certificates and keys out of any file in which somebody may have them: PEM, DER, PKCS#7, PKCS#12. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { unreadable } from '../../config/values.ts';
import { OperatorError } from '../../core/errors.ts';
import { parseAuthorities } from '../../tls/authorities.ts';
import type { CertificateSource } from '../../tls/options.ts';
import { pkcs7Bytes, pkcs7Certificates } from '../../tls/pkcs7.ts';
import { readPkcs12 } from '../../tls/pkcs12.ts';
import { readKey } from '../../tls/server-certificate.ts';
import { trustStoreKind } from '../../tls/trust-store.ts';
import type { Passwords } from './passwords.ts';

/** What a file holds. */
interface Material {
  readonly certificates: readonly X509Certificate[];
  /** Undefined for a file of a kind that holds none. */
  readonly keys: readonly KeyObject[] | undefined;
  /** False where the order means nothing. */
  readonly isOrdered: boolean;
}

/** Reads a file; the password of one that has one is asked for. Throws an OperatorError that names the file. */
export async function readMaterial(file: string, passwords: Passwords, hint: string): Promise<Material> {
  const source = `the file ${file}`;
  const bytes = readBytes(file, hint);
  const material = await materialIn(bytes, source, passwords);
  if (material.certificates.length === 0)
    throw new OperatorError(`${source} holds no certificate`, 'export it again, with its chain');
  return material;
}

async function materialIn(bytes: Buffer, source: string, passwords: Passwords): Promise<Material> {
  if (trustStoreKind(bytes) === 'pkcs12') return { ...(await openBundle(bytes, source, passwords)), isOrdered: false };
  const pkcs7 = pkcs7Bytes(bytes);
  if (pkcs7) return { certificates: pkcs7Certificates(pkcs7, source), keys: undefined, isOrdered: false };
  if (bytes[0] === 0x30) return { certificates: [derCertificate(bytes, source)], keys: undefined, isOrdered: true };
  const text = bytes.toString('latin1');
  const keys = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)
    ? [await openPemKey(bytes, source, passwords)]
    : undefined;
  return { certificates: parseAuthorities(text, source).certificates, keys, isOrdered: true };
}

/** The private key in a file in PEM. */
export async function openKey(file: string, passwords: Passwords): Promise<KeyObject> {
  return openPemKey(readBytes(file, 'name the file of a key in PEM'), file, passwords);
}

/** What a configuration names, opened by the passwords that it names. */
export async function readSource(source: CertificateSource): Promise<{
  readonly certificates: readonly X509Certificate[];
  readonly keys: readonly KeyObject[];
}> {
  const hint = 'check the path and its permissions';
  if ('pkcs12' in source) {
    const { pkcs12: file, password } = source;
    return readPkcs12(readBytes(file, hint), password, `the file ${file}`);
  }
  const text = readBytes(source.certificate, hint).toString('latin1');
  const { certificates } = parseAuthorities(text, `the file ${source.certificate}`);
  return { certificates, keys: [readKey(readBytes(source.key, hint), source.password, source.key)] };
}

async function openPemKey(bytes: Buffer, file: string, passwords: Passwords): Promise<KeyObject> {
  const isEncrypted = /ENCRYPTED/.test(bytes.toString('latin1'));
  const password = isEncrypted ? await passwords.ask(`Password of ${file}: `) : undefined;
  return readKey(bytes, password, file.replace(/^the file /, ''));
}

async function openBundle(bytes: Buffer, source: string, passwords: Passwords) {
  try {
    return readPkcs12(bytes, undefined, source);
  } catch (error) {
    if (!(error instanceof OperatorError) || !error.message.includes('has a password')) throw error;
    return readPkcs12(bytes, await passwords.ask(`Password of ${source}: `), source);
  }
}

function derCertificate(bytes: Buffer, source: string): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch (error) {
    throw new OperatorError(`${source} is no certificate`, 'name one in PEM, DER, PKCS#7 or PKCS#12', error);
  }
}

function readBytes(file: string, hint: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new OperatorError(`the file ${file} ${unreadable(error)}`, hint, error);
  }
}
