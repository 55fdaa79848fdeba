/** Java's trust stores, as `keytool` writes them: PKCS#12 since Java 9, JKS before. Gives the certificates that are trusted. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createRequire } from 'node:module';
import { OperatorError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';

type Forge = typeof import('node-forge');

const load = createRequire(import.meta.url);
const longest = 4 * 1024 * 1024;

/** What a file is by its first bytes; undefined when it is no trust store. */
export function trustStoreKind(bytes: Buffer): 'jks' | 'jceks' | 'pkcs12' | undefined {
  if (bytes.length < 4) return undefined;
  const magic = bytes.readUInt32BE(0);
  if (magic === 0xfeedfeed) return 'jks';
  if (magic === 0xcececece) return 'jceks';
  // PFX ::= SEQUENCE { version INTEGER (3), … }, RFC 7292 §4; a certificate goes on with another SEQUENCE.
  const length = bytes[1] ?? 0;
  const start = bytes[0] === 0x30 ? 2 + (length > 0x80 ? length & 0x7f : 0) : -1;
  return start > 0 && bytes.subarray(start, start + 3).equals(Buffer.from([0x02, 0x01, 0x03])) ? 'pkcs12' : undefined;
}

/** The trusted certificates of a store, in DER. Throws an OperatorError; `source` names the store in it. */
export function trustStoreCertificates(bytes: Buffer, password: Secret | undefined, source: string): Buffer[] {
  const kind = trustStoreKind(bytes);
  if (kind === undefined)
    throw new OperatorError(`${source} is no trust store`, 'name a file that keytool has written');
  if (kind === 'jceks') throw new OperatorError(`${source} is a JCEKS store, which is for keys`, convertTo(source));
  if (bytes.length > longest)
    throw new OperatorError(`${source} is larger than ${longest / 1024 / 1024} MB`, 'is this the right file?');
  if (password === undefined)
    throw new OperatorError(`${source} is a trust store, which has a password`, 'write ca: { file: …, password: … }');
  const found = kind === 'jks' ? jksCertificates(bytes, password, source) : pkcs12Certificates(bytes, password, source);
  if (found.length > 0) return found;
  throw new OperatorError(
    `${source} trusts no certificate`,
    'import one: keytool -import -file CERTIFICATE -alias ca -keystore FILE',
  );
}

function convertTo(source: string): string {
  return `convert it: keytool -importkeystore -srckeystore ${source.split(/[\\/]/).at(-1)} -destkeystore trust.p12 -deststoretype PKCS12`;
}

const cutOff = (source: string, cause?: unknown): OperatorError =>
  new OperatorError(`${source} is cut off or damaged`, 'copy it again, whole', cause);

const wrongPassword = (source: string, password: Secret): OperatorError =>
  new OperatorError(
    `the password of ${source} is wrong, or the store is damaged`,
    // RFC 7292 and RFC 8018 write such a password differently, and so do the programs; Java allows none.
    /^[\x20-\x7e]*$/.test(password.reveal())
      ? 'keytool -list -keystore FILE tries a password'
      : 'change it to one of ASCII letters and signs: keytool -storepasswd -keystore FILE',
  );

/** The layout of sun.security.provider.JavaKeyStore: big-endian, and at the end a keyed SHA-1 of all before it. */
function jksCertificates(bytes: Buffer, password: Secret, source: string): Buffer[] {
  const digestAt = bytes.length - 20;
  let at = 4;
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > digestAt) throw cutOff(source);
    at += length;
    return bytes.subarray(at - length, at);
  };
  const number = (): number => take(4).readUInt32BE(0);
  const text = (): string => take(take(2).readUInt16BE(0)).toString('latin1');
  const version = number();
  if (version !== 1 && version !== 2)
    throw new OperatorError(`${source} is a JKS store of an unknown version, ${version}`, convertTo(source));
  const certificate = (): Buffer => {
    const type = version === 2 ? text() : 'X.509';
    const content = take(number());
    if (type !== 'X.509')
      throw new OperatorError(
        `${source} holds a certificate of the kind ${JSON.stringify(type)}`,
        'only X.509 can be used',
      );
    return content;
  };
  const trusted: Buffer[] = [];
  for (let left = number(); left > 0; left--) {
    const tag = number();
    text();
    take(8);
    if (tag === 2) trusted.push(certificate());
    else if (tag === 1) {
      take(number());
      // The chain of a key of one's own is trusted for nobody else.
      for (let chain = number(); chain > 0; chain--) certificate();
    } else throw cutOff(source);
  }
  if (at !== digestAt) throw cutOff(source);
  // The keyed digest is weak, but it is what tells a wrong password and a changed store from a good one.
  const key = Buffer.from(password.reveal(), 'utf16le').swap16();
  const digest = createHash('sha1').update(key).update('Mighty Aphrodite').update(bytes.subarray(0, digestAt)).digest();
  if (!timingSafeEqual(digest, bytes.subarray(digestAt))) throw wrongPassword(source, password);
  return trusted;
}

function pkcs12Certificates(bytes: Buffer, password: Secret, source: string): Buffer[] {
  // Loaded here: few configurations name such a store, and the library is large.
  const { asn1, pkcs12, pki, util }: Forge = load('node-forge');
  let structure: import('node-forge').asn1.Asn1;
  try {
    structure = asn1.fromDer(util.createBuffer(bytes.toString('latin1')));
  } catch (error) {
    throw cutOff(source, error);
  }
  let store: import('node-forge').pkcs12.Pkcs12Pfx;
  try {
    store = pkcs12.pkcs12FromAsn1(structure, true, password.reveal());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/password|MAC|decrypt|too few bytes|unparsed/i.test(message)) throw wrongPassword(source, password);
    throw new OperatorError(`${source} cannot be read as PKCS#12`, convertTo(source), error);
  }
  const bags = store.getBags({ bagType: pki.oids.certBag ?? '' })[pki.oids.certBag ?? ''] ?? [];
  // A certificate that is tied to a key of one's own is trusted for nobody else.
  const trusted = bags.filter(({ attributes }) => !('localKeyId' in attributes));
  return trusted.flatMap(({ cert, asn1: raw }) => {
    const content = cert ? pki.certificateToAsn1(cert) : raw;
    return content ? [Buffer.from(asn1.toDer(content).getBytes(), 'latin1')] : [];
  });
}
