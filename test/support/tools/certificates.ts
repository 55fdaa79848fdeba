/** A private CA and certificates of every kind a server may wrongly have, made with openssl once a run. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onceARun } from './run-folder.ts';

/** A certificate with its key: files in PEM. */
export interface CertificateFiles {
  /** The certificate, followed by its intermediates where it has any. */
  readonly certificate: string;
  readonly key: string;
}

/** What `testCertificates` makes. */
export interface TestCertificates {
  readonly folder: string;
  /** The certificate of the CA: what a client trusts. */
  readonly ca: string;
  readonly caKey: string;
  /** Another CA, that nobody here has used. */
  readonly otherCa: string;
  /** For localhost and 127.0.0.1. */
  readonly good: CertificateFiles;
  /** The same names, a key of its own. */
  readonly renewed: CertificateFiles;
  /** Good, but for other.example.com only. */
  readonly wrongName: CertificateFiles;
  /** Good until yesterday. */
  readonly expired: CertificateFiles;
  /** Good from next month on. */
  readonly future: CertificateFiles;
  /** Issued by itself. */
  readonly selfSigned: CertificateFiles;
  /** Issued by an intermediate, which is in the file too. */
  readonly chained: CertificateFiles;
  /** Issued by an intermediate, which is not in the file. */
  readonly unchained: CertificateFiles;
  /** The intermediate's own certificate. */
  readonly intermediate: string;
}

const localNames = 'DNS:localhost,IP:127.0.0.1';
let made: TestCertificates | undefined;
let issued: string | undefined;

/** The certificates of this run, which all its files share: they are read, and never changed. */
export function testCertificates(): TestCertificates {
  made ??= certificatesIn(onceARun('certificates', makeCertificates));
  return made;
}

/** One more certificate from the CA, such as a client's; it is this process's own, and goes with it. */
export function issueCertificate(
  name: string,
  alternativeNames: string,
  extra: readonly string[] = [],
  rsaBits?: number,
  more: Pick<Issue, 'uses'> & { readonly byOther?: boolean } = {},
): CertificateFiles {
  const { ca, caKey, folder, otherCa } = testCertificates();
  const issuer = more.byOther
    ? { certificate: otherCa, key: filesIn(folder, 'other-ca').key }
    : { certificate: ca, key: caKey };
  return issue({
    folder: ownFolder(),
    name,
    names: alternativeNames,
    issuer,
    extra,
    ...(more.uses !== undefined && { uses: more.uses }),
    ...(rsaBits !== undefined && { rsaBits }),
  });
}

function ownFolder(): string {
  if (issued !== undefined) return issued;
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-certificates-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  issued = folder;
  return folder;
}

function makeCertificates(folder: string): void {
  const authority = (name: string) => issue({ folder, name, issuer: undefined, authority: true });
  const root = authority('ca');
  authority('other-ca');
  const intermediate = issue({ folder, name: 'intermediate', issuer: root, authority: true });
  const leaf = (name: string, parts: Partial<Issue> = {}) =>
    issue({ folder, name, names: localNames, issuer: root, ...parts });
  leaf('good');
  leaf('renewed');
  leaf('wrong-name', { names: 'DNS:other.example.com' });
  leaf('expired', { extra: ['-not_before', day(-30), '-not_after', day(-1)] });
  leaf('future', { extra: ['-not_before', day(30), '-not_after', day(60)] });
  leaf('self-signed', { issuer: undefined });
  const unchained = leaf('unchained', { issuer: intermediate });
  const chain = [unchained, intermediate].map(({ certificate }) => readFileSync(certificate, 'utf8'));
  writeFileSync(join(folder, 'chained.pem'), chain.join(''));
}

function certificatesIn(folder: string): TestCertificates {
  const files = (name: string) => filesIn(folder, name);
  return {
    folder,
    ca: files('ca').certificate,
    caKey: files('ca').key,
    otherCa: files('other-ca').certificate,
    good: files('good'),
    renewed: files('renewed'),
    wrongName: files('wrong-name'),
    expired: files('expired'),
    future: files('future'),
    selfSigned: files('self-signed'),
    chained: { certificate: files('chained').certificate, key: files('unchained').key },
    unchained: files('unchained'),
    intermediate: files('intermediate').certificate,
  };
}

function filesIn(folder: string, name: string): CertificateFiles {
  return { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}

interface Issue {
  readonly folder: string;
  readonly name: string;
  readonly names?: string;
  readonly issuer: CertificateFiles | undefined;
  readonly authority?: boolean;
  readonly extra?: readonly string[];
  /** Extended key usage; an empty text for none. */
  readonly uses?: string;
  /** In place of an elliptic curve. */
  readonly rsaBits?: number;
}

function issue({ folder, name, names, issuer, authority = false, extra = [], rsaBits, uses }: Issue): CertificateFiles {
  const files = filesIn(folder, name);
  const extensions = [
    `basicConstraints=critical,CA:${authority ? 'TRUE' : 'FALSE'}`,
    ...(authority
      ? ['keyUsage=critical,keyCertSign,cRLSign']
      : uses === ''
        ? []
        : [`extendedKeyUsage=${uses ?? 'serverAuth,clientAuth'}`]),
    ...(names ? [`subjectAltName=${names}`] : []),
  ];
  const dated = extra.includes('-not_after');
  const request = [
    ...(rsaBits === undefined
      ? ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
      : ['-newkey', `rsa:${rsaBits}`]),
    '-nodes',
    '-keyout',
    files.key,
    '-subj',
    `/O=Gatehouse Test/CN=${name}`,
  ];
  if (dated && issuer) {
    issueDated(folder, files, request, extensions, issuer, extra);
    return files;
  }
  openssl([
    'req',
    '-x509',
    ...request,
    '-days',
    '365',
    '-out',
    files.certificate,
    ...extensions.flatMap((extension) => ['-addext', extension]),
    ...(issuer ? ['-CA', issuer.certificate, '-CAkey', issuer.key] : []),
    ...extra,
  ]);
  return files;
}

/** Dates in the past or the future take `openssl ca`: `req` of Debian's OpenSSL 3.0 knows a number of days only. */
function issueDated(
  folder: string,
  files: CertificateFiles,
  request: readonly string[],
  extensions: readonly string[],
  issuer: CertificateFiles,
  extra: readonly string[],
): void {
  const own = mkdtempSync(join(folder, 'dated-'));
  const config = join(own, 'ca.cnf');
  writeFileSync(join(own, 'index.txt'), '');
  writeFileSync(
    config,
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${own}/index.txt\nnew_certs_dir=${own}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n` +
      `x509_extensions=e\nunique_subject=no\n[p]\norganizationName=optional\ncommonName=supplied\n[e]\n${extensions.join('\n')}\n`,
  );
  const csr = join(own, 'request.pem');
  openssl(['req', '-new', ...request, '-out', csr]);
  const dates = extra.map((word) => word.replace('-not_before', '-startdate').replace('-not_after', '-enddate'));
  openssl([
    'ca',
    '-batch',
    '-config',
    config,
    '-cert',
    issuer.certificate,
    '-keyfile',
    issuer.key,
    '-in',
    csr,
    '-out',
    files.certificate,
    '-notext',
    ...dates,
  ]);
}

function openssl(words: readonly string[]): void {
  execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function day(offset: number): string {
  return new Date(Date.now() + offset * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '');
}
