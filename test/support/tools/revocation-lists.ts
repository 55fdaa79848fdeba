/** Revocation lists as an authority publishes them, made with openssl; and one of as many entries as are wanted, laid out by hand. */
import { execFileSync } from 'node:child_process';
import { sign, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertificateFiles } from './certificates.ts';

interface ListTerms {
  /** Files of certificates that are revoked. */
  readonly revoked?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly until: number;
  /** More lines of the extensions' section. */
  readonly extensions?: readonly string[];
  readonly digest?: string;
}

/** A list in DER, signed by an authority. */
export function revocationList(issuer: CertificateFiles, terms: ListTerms): Buffer {
  const { revoked = [], from, until, extensions = [], digest = 'sha256' } = terms;
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-crl-'));
  try {
    const rows = revoked.map((file) => {
      const { serialNumber } = new X509Certificate(readFileSync(file));
      return `R\t400101000000Z\t250101000000Z\t${serialNumber}\tunknown\t/CN=revoked\n`;
    });
    const config = join(folder, 'ca.cnf');
    writeFileSync(join(folder, 'index.txt'), rows.join(''));
    writeFileSync(join(folder, 'number'), '01\n');
    writeFileSync(
      config,
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${folder}/index.txt\ncrlnumber=${folder}/number\ndefault_md=${digest}\n` +
        `crl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n${extensions.join('\n')}\n`,
    );
    const pem = join(folder, 'list.pem');
    const words = ['ca', '-gencrl', '-config', config, '-cert', issuer.certificate, '-keyfile', issuer.key];
    const dates = ['-crl_lastupdate', stamp(from), '-crl_nextupdate', stamp(until)];
    execFileSync('openssl', [...words, ...dates, '-out', pem], { stdio: ['ignore', 'ignore', 'pipe'] });
    return execFileSync('openssl', ['crl', '-in', pem, '-outform', 'der']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same list in PEM. */
export function inPem(list: Buffer): string {
  const lines = list.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`;
}

interface LargeTerms {
  /** How many serials of 16 bytes there are; the first byte is 01, the last eight count from 0. */
  readonly entries: number;
  readonly from: number;
  /** None, for a list that does not say how long it holds. */
  readonly until?: number;
  /** Serials in place of these. */
  readonly serials?: readonly Buffer[];
}

/** A list of a name with any number of entries, by an authority with an elliptic curve. */
export function largeList(issuer: CertificateFiles, { entries, from, until, serials }: LargeTerms): Buffer {
  const certificate = new X509Certificate(readFileSync(issuer.certificate));
  const algorithm = Buffer.from('300a06082a8648ce3d040302', 'hex');
  const date = element(0x17, Buffer.from(stamp(from), 'latin1'));
  const one = element(0x30, element(0x02, serialAt(0)), date);
  const rows = Buffer.alloc(one.length * (serials ? 0 : entries));
  for (let index = 0; index < entries && !serials; index++) {
    one.copy(rows, index * one.length);
    rows.writeUInt32BE(index, index * one.length + 4 + 12);
  }
  const listed = serials ? serials.map((serial) => element(0x30, element(0x02, serial), date)) : [rows];
  const content = element(
    0x30,
    Buffer.from('020101', 'hex'),
    algorithm,
    subjectOf(certificate),
    date,
    ...(until === undefined ? [] : [element(0x17, Buffer.from(stamp(until), 'latin1'))]),
    element(0x30, ...listed),
  );
  const signature = sign('sha256', content, readFileSync(issuer.key));
  return element(0x30, content, algorithm, element(0x03, Buffer.from([0]), signature));
}

/** The serial at a place of a large list. */
export function serialAt(index: number): Buffer {
  const serial = Buffer.alloc(16);
  serial[0] = 1;
  serial.writeUInt32BE(index, 12);
  return serial;
}

/** One element of DER. */
export function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const length = contents.reduce((sum, { length: one }) => sum + one, 0);
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), ...contents]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  const short = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([tag, 0x80 | short.length]), short, ...contents]);
}

/** openssl copies the name of the authority into a list that revokes nothing. */
function subjectOf(certificate: X509Certificate): Buffer {
  const words = ['x509', '-inform', 'der', '-outform', 'pem'];
  const pem = execFileSync('openssl', words, { input: certificate.raw });
  const tree = execFileSync('openssl', ['asn1parse'], { input: pem }).toString();
  const sequences = [...tree.matchAll(/^ *(\d+):d=2 +hl=(\d+) l= *(\d+) cons: SEQUENCE/gm)];
  // Algorithm, issuer, validity, subject, key.
  const [, at = '', head = '', length = ''] = sequences[3] ?? [];
  return certificate.raw.subarray(Number(at), Number(at) + Number(head) + Number(length));
}

function stamp(time: number): string {
  return new Date(time)
    .toISOString()
    .slice(2)
    .replace(/[-:T]|\.\d+/g, '');
}
