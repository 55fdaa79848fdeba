/** `gatehouse cert check`: what a certificate is, whether its chain is complete, and how to mend it. */

import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { unreadable } from '../config/values.ts';
import { OperatorError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import { parseAuthorities, readAuthorities, systemAnchors } from '../tls/authorities.ts';
import { adviseOnChain, type ChainAdvice, type ChainFinding, issuerAddress, keyWords } from '../tls/chain-advice.ts';
import { ownAmong } from '../tls/chain-report.ts';
import { describeTlsError } from '../tls/describe-error.ts';
import { readPkcs12 } from '../tls/pkcs12.ts';
import { insecureReadSentChain } from '../tls/sent-chain.ts';
import { readKey } from '../tls/server-certificate.ts';
import { trustStoreKind } from '../tls/trust-store.ts';
import { type Command, type Invocation, textOption } from './command.ts';
import { readPassword } from './password-prompt.ts';

/** The command. */
export const cert: Command = {
  usage: 'gatehouse cert check HOST:PORT|FILE [--key FILE] [--host NAME] [--ca FILE]',
  summary: 'say whether a certificate and its chain are complete and valid, and how to mend them',
  help: [
    'HOST:PORT   asks a server for the chain that it sends; the port is 443 when left out',
    'FILE        reads a chain in PEM or DER, or a .p12 or .pfx file (its password is asked for, or the first line of the input)',
    '--key FILE  says whether the key in FILE belongs to the certificate',
    '--host NAME the name that visitors use; that of HOST:PORT when left out',
    '--ca FILE   CAs that visitors trust besides the usual ones, such as your own',
    '',
    'Shows names, dates, key and thumbprints of each certificate. Nothing is fetched: a missing intermediate is named with the',
    'address at which its issuer publishes it. Exits with 0 when visitors can connect, with 1 when some or all cannot.',
  ].join('\n'),
  takesWords: true,
  options: { key: { type: 'string' }, host: { type: 'string' }, ca: { type: 'string' } },
  run: runCert,
};

const patience = 10_000;

interface Found {
  readonly certificates: readonly X509Certificate[];
  /** False where the order means nothing. */
  readonly isOrdered: boolean;
  readonly source: string;
  readonly host?: string | undefined;
  /** Further findings, such as a key that does not match. */
  readonly more: readonly ChainFinding[];
}

async function runCert(invocation: Invocation): Promise<number> {
  const { positionals, terminal } = invocation;
  const [verb, target, ...rest] = positionals;
  if (verb !== 'check' || target === undefined || rest.length > 0) {
    terminal.stderr.write(`usage: ${cert.usage}\n`);
    return 2;
  }
  const ca = textOption(invocation, 'ca');
  const anchors = [...systemAnchors(), ...(ca ? readAuthorities(ca).certificates : [])];
  const found = await find(target, invocation);
  const advice = adviseOnChain(found.certificates, { ...found, anchors, now: Date.now() });
  terminal.stdout.write(printed(found, advice));
  return [...found.more, ...advice.findings].some(({ kind }) => kind === 'error') ? 1 : 0;
}

async function find(target: string, invocation: Invocation): Promise<Found> {
  const server = existsSync(target) ? undefined : serverOf(target);
  const host = textOption(invocation, 'host')?.replace(/^\[|\]$/g, '');
  const keyFile = textOption(invocation, 'key');
  if (!server) return readFound(target, host, keyFile, invocation);
  if (keyFile !== undefined) throw new OperatorError('--key goes with a FILE', 'name the file of the certificate');
  return askServer(server, host ?? server.host);
}

/** A host name or address with or without a port; undefined for what looks like a path. */
function serverOf(target: string): { host: string; port: number } | undefined {
  if (isIP(target) === 6) return { host: target, port: 443 };
  const parts = /^(?:https:\/\/)?(\[[0-9a-f:]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?\/?$/i.exec(target);
  const [, host = '', port] = parts ?? [];
  if (Number(port) > 65_535)
    throw new OperatorError(`${port} is no port: the highest is 65535`, 'name a file, or a server as HOST:PORT');
  const isFile = !parts || (port === undefined && /\.(?:pem|crt|cer|der|p12|pfx|key)$/i.test(host));
  return isFile ? undefined : { host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? 443) };
}

async function askServer({ host, port }: { host: string; port: number }, name: string): Promise<Found> {
  const signal = AbortSignal.timeout(patience);
  const source = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  try {
    const { certificates, protocol } = await insecureReadSentChain({ host, port, servername: name, signal });
    return { certificates, isOrdered: true, source: `${source} (${protocol})`, host: name, more: [] };
  } catch (error) {
    const problem = describeTlsError(error);
    const message = signal.aborted
      ? `no answer within ${patience / 1000} s`
      : (problem?.reason ?? (error instanceof Error ? error.message : String(error)));
    throw new OperatorError(
      `${source} showed no certificate: ${message}`,
      problem?.hint ?? 'check name, port and firewall',
      error,
    );
  }
}

async function readFound(
  file: string,
  host: string | undefined,
  keyFile: string | undefined,
  invocation: Invocation,
): Promise<Found> {
  const source = `the file ${file}`;
  const bytes = readBytes(file);
  const bundle = trustStoreKind(bytes) === 'pkcs12' ? await openBundle(bytes, source, invocation) : undefined;
  const certificates =
    bundle?.certificates ??
    (bytes[0] === 0x30
      ? [derCertificate(bytes, source)]
      : parseAuthorities(bytes.toString('latin1'), source).certificates);
  if (certificates.length === 0)
    throw new OperatorError(`${source} holds no certificate`, 'export it again, with its chain');
  const keys = keyFile === undefined ? bundle?.keys : [await openKey(keyFile, invocation)];
  return {
    certificates,
    isOrdered: bundle === undefined,
    source: file,
    host,
    more: keyFindings(certificates, keys, keyFile ?? file),
  };
}

function keyFindings(
  certificates: readonly X509Certificate[],
  keys: readonly import('node:crypto').KeyObject[] | undefined,
  file: string,
): ChainFinding[] {
  if (!keys) return [];
  if (keys.some((key) => ownAmong(certificates).some((certificate) => certificate.checkPrivateKey(key)))) return [];
  return [
    {
      kind: 'error',
      text:
        keys.length === 0 ? `${file} holds no private key` : `the key in ${file} is not the key of this certificate`,
      fix: 'use the key with which the certificate was requested, or have it issued anew for this one',
    },
  ];
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new OperatorError(`the file ${file} ${unreadable(error)}`, 'name a file, or a server as HOST:PORT', error);
  }
}

function derCertificate(bytes: Buffer, source: string): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch (error) {
    throw new OperatorError(`${source} is no certificate`, 'name one in PEM, DER or PKCS#12', error);
  }
}

async function openBundle(bytes: Buffer, source: string, { terminal }: Invocation) {
  try {
    return readPkcs12(bytes, undefined, source);
  } catch (error) {
    if (!(error instanceof OperatorError) || !error.message.includes('has a password')) throw error;
    return readPkcs12(bytes, new Secret(await readPassword(terminal, `Password of ${source}: `)), source);
  }
}

async function openKey(file: string, { terminal }: Invocation) {
  const bytes = readBytes(file);
  const isEncrypted = /ENCRYPTED/.test(bytes.toString('latin1'));
  const password = isEncrypted ? new Secret(await readPassword(terminal, `Password of ${file}: `)) : undefined;
  return readKey(bytes, password, file);
}

function printed(found: Found, { report, findings }: ChainAdvice): string {
  const lines = [found.source, ''];
  const read = new Map(found.certificates.map((certificate) => [certificate.fingerprint256, certificate]));
  for (const [index, one] of report.certificates.entries()) {
    const certificate = read.get(one.thumbprint);
    const place = index === 0 ? 'certificate' : one.selfSigned ? 'root' : 'intermediate';
    lines.push(`${index + 1}. ${place}: ${one.subject}`);
    const row = (name: string, value: string): number => lines.push(`   ${name.padEnd(12)} ${value}`);
    if (index === 0) row('names', one.names.join(', ') || 'none');
    row('issued by', one.issuer);
    row('valid', `${day(one.validFrom)} to ${day(one.validTo)}`);
    if (certificate) row('key', keyWords(certificate));
    row('serial', one.serialNumber);
    row('SHA-1', `${one.thumbprintSha1}  (Windows: ${one.thumbprintSha1.replaceAll(':', '').toLowerCase()})`);
    row('SHA-256', one.thumbprint);
    row('SPKI pin', one.pin);
    const address = certificate && issuerAddress(certificate);
    if (address) row('issuer at', address);
    lines.push('');
  }
  const all = [...found.more, ...findings];
  if (report.complete) lines.push('chain: complete');
  for (const { kind, text, fix } of all) lines.push(`${kind}: ${text}`, `  ${fix}`);
  if (all.length === 0) lines.push('good');
  return `${lines.join('\n')}\n`;
}

function day(value: Date): string {
  return value.toISOString().slice(0, 10);
}
