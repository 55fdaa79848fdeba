/** What is wrong with a chain of certificates as it stands, in the words of whoever has to mend it. Pure. */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ChainReport, chainReport, namesOf, orderChain, ownAmong } from './chain-report.ts';
import { isForUse, type TlsSide, useWords } from './purpose.ts';

/** Something about a chain: an error keeps some visitors out, a warning does not yet. */
export interface ChainFinding {
  readonly kind: 'error' | 'warning';
  readonly about: 'dates' | 'names' | 'exact-name' | 'use' | 'key' | 'chain';
  readonly text: string;
  readonly fix: string;
}

/** A chain with all that is to be said about it. */
export interface ChainAdvice {
  readonly report: ChainReport;
  readonly findings: readonly ChainFinding[];
}

/** What a chain is held against. */
interface AdviceContext {
  readonly anchors: readonly X509Certificate[];
  readonly now: number;
  /** Whom the certificate should be for, where that is known. */
  readonly host?: string | undefined;
  /** On which side it is to stand, where that is asked. */
  readonly use?: TlsSide | undefined;
  /** False where the order in which they stand means nothing. */
  readonly isOrdered: boolean;
}

const soon = 30 * 86_400_000;

/** Judges a chain in the order in which it stands. */
export function adviseOnChain(found: readonly X509Certificate[], context: AdviceContext): ChainAdvice {
  const [leaf] = ownAmong(found);
  const ordered = leaf ? orderChain([leaf, ...found.filter((certificate) => certificate !== leaf)]) : [];
  const report = chainReport(ordered, context.anchors);
  return {
    report,
    findings: [
      ...datesOf(report, context.now),
      ...(leaf ? namesFindings(leaf, context) : []),
      ...(leaf && context.use ? useFindings(leaf, context.use) : []),
      ...(leaf ? keyFindings(leaf) : []),
      ...completeness(ordered, report),
      ...(context.isOrdered ? orderFindings(found, ordered) : []),
    ],
  };
}

/** Where the issuer of a certificate can be had, as the certificate itself says (RFC 5280 §4.2.2.1). Nothing is fetched. */
export function issuerAddress(certificate: X509Certificate): string | undefined {
  return /CA Issuers - URI:(\S+)/.exec(certificate.infoAccess ?? '')?.[1];
}

/** The kind and size of a key, such as `RSA 2048` or `EC prime256v1`. */
export function keyWords({ publicKey }: X509Certificate): string {
  const { modulusLength, namedCurve } = publicKey.asymmetricKeyDetails ?? {};
  const type = (publicKey.asymmetricKeyType ?? 'unknown').toUpperCase();
  return [type, modulusLength === undefined ? undefined : `${modulusLength} bits`, namedCurve]
    .filter(Boolean)
    .join(' ');
}

function datesOf({ certificates }: ChainReport, now: number): ChainFinding[] {
  return certificates.flatMap(({ subject, validFrom, validTo }, index): ChainFinding[] => {
    const what = index === 0 ? 'the certificate' : `the certificate of ${subject} in the chain`;
    if (validTo.getTime() <= now)
      return [{ kind: 'error', about: 'dates', text: `${what} expired on ${date(validTo)}`, fix: 'have it renewed' }];
    if (validFrom.getTime() > now)
      return [
        {
          kind: 'error',
          about: 'dates',
          text: `${what} is valid only from ${date(validFrom)} on`,
          fix: 'use the one before until then, and check the clock',
        },
      ];
    if (validTo.getTime() - now > soon) return [];
    return [
      { kind: 'warning', about: 'dates', text: `${what} expires soon, on ${date(validTo)}`, fix: 'have it renewed' },
    ];
  });
}

function namesFindings(leaf: X509Certificate, { host, use }: AdviceContext): ChainFinding[] {
  const names = namesOf(leaf);
  if (names.length === 0 && use === 'client' && host === undefined)
    return [
      {
        kind: 'warning',
        about: 'names',
        text: 'the certificate has no subjectAltName: a row of peers can name it by thumbprint, pin or file alone',
        fix: 'have it issued anew with its name as subjectAltName, if it is to be known by that',
      },
    ];
  if (names.length === 0)
    return [
      {
        kind: 'error',
        about: 'names',
        text: 'the certificate has no subjectAltName, and browsers refuse it',
        fix: 'have it issued anew, with its names as subjectAltName',
      },
    ];
  const isGood =
    host === undefined ||
    (isIP(host) === 0 ? leaf.checkHost(host, { subject: 'never' }) : leaf.checkIP(host)) !== undefined;
  if (isGood) return use && host !== undefined ? exactFindings(names, host) : [];
  return [
    {
      kind: 'error',
      about: 'names',
      text: `the certificate is not for ${host}, but for ${names.join(', ')}`,
      fix: 'use one of its names, or have it issued with this one',
    },
  ];
}

/** Between machines a wildcard stands for any of them. */
function exactFindings(names: readonly string[], host: string): ChainFinding[] {
  const spelt = host.toLowerCase().replace(/\.$/, '');
  if (isIP(host) !== 0 || names.some((name) => name.toLowerCase() === spelt)) return [];
  return [
    {
      kind: 'error',
      about: 'exact-name',
      text: `${host} does not stand in the certificate exactly, but is covered by ${names.filter((name) => name.startsWith('*.')).join(', ')}`,
      fix: 'have it issued with the whole name; without --use a wildcard is good, as it is for browsers',
    },
  ];
}

function useFindings(leaf: X509Certificate, use: TlsSide): ChainFinding[] {
  if (isForUse(leaf, use)) return [];
  return [
    {
      kind: 'error',
      about: 'use',
      text: `the certificate is not for ${use} use; its extended key usage says: ${useWords(leaf)}`,
      fix: `have it issued anew from a template with ${use === 'server' ? 'Server' : 'Client'} Authentication`,
    },
  ];
}

function keyFindings(leaf: X509Certificate): ChainFinding[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = leaf.publicKey;
  if (type !== 'rsa' || (details?.modulusLength ?? 0) >= 2048) return [];
  return [
    {
      kind: 'error',
      about: 'key',
      text: `its key is too short: ${keyWords(leaf)}`,
      fix: 'have it issued anew with RSA 2048 bits or more, or an elliptic curve',
    },
  ];
}

function completeness(ordered: readonly X509Certificate[], report: ChainReport): ChainFinding[] {
  const last = ordered.at(-1);
  if (report.complete || !last) return [];
  if (report.certificates.at(-1)?.selfSigned)
    return [
      ordered.length === 1
        ? {
            kind: 'error',
            about: 'chain',
            text: 'the certificate is signed by itself, and nobody trusts it',
            fix: 'have one issued by a CA that visitors trust',
          }
        : {
            kind: 'error',
            about: 'chain',
            text: `the chain ends in ${report.certificates.at(-1)?.subject}, a CA that this machine does not trust`,
            fix: 'if it is your own CA, name its certificate with --ca FILE',
          },
    ];
  const address = issuerAddress(last);
  const where = address ? `it can be had at ${address}` : 'its issuer publishes it';
  return [
    {
      kind: 'error',
      about: 'chain',
      text: `the chain is incomplete: the certificate of the intermediate CA "${report.missing}" is missing`,
      fix:
        `${where}${address ? ' (in DER: openssl x509 -inform der -in FILE -out intermediate.crt)' : ''}; ` +
        'append it (cat site.crt intermediate.crt > xivoxc.crt); or, if it is the root of your own CA, name it with --ca FILE',
    },
  ];
}

/** The order is that of RFC 5246 §7.4.2: each certificate is followed by the one that issued it. */
function orderFindings(found: readonly X509Certificate[], ordered: readonly X509Certificate[]): ChainFinding[] {
  const strays = found.filter((certificate) => !ordered.includes(certificate));
  const isRepeated = new Set(found.map(({ fingerprint256 }) => fingerprint256)).size < found.length;
  const kept = found.filter((certificate) => ordered.includes(certificate));
  const isInOrder = kept.every((certificate, index) => certificate === ordered[index]);
  const findings: ChainFinding[] = [];
  if (!isInOrder)
    findings.push({
      kind: 'error',
      about: 'chain',
      text: `the certificates stand in the wrong order: ${kept.map((certificate) => found.indexOf(certificate) + 1).join(', ')} should be ${ordered.map((certificate) => found.indexOf(certificate) + 1).join(', ')}`,
      fix: 'put the certificate of the site first and after each the one that issued it: cat site.crt intermediate.crt > xivoxc.crt',
    });
  if (strays.length > 0)
    findings.push({
      kind: 'warning',
      about: 'chain',
      text: `${strays.length} ${strays.length === 1 ? 'certificate does' : 'certificates do'} not belong to the chain${isRepeated ? ' or stand there twice' : ''}`,
      fix: 'take them out; every visitor is sent them for nothing',
    });
  return findings;
}

function date(value: Date): string {
  return value.toISOString().slice(0, 10);
}
