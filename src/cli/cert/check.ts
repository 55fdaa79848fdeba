/** `gatehouse cert check`: what a certificate is, whether its chain is complete, what it may be used for, and how to mend it. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { OperatorError } from '../../core/errors.ts';
import { readAuthorities, systemAnchors } from '../../tls/authorities.ts';
import { adviseOnChain, type ChainAdvice, type ChainFinding, issuerAddress, keyWords } from '../../tls/chain-advice.ts';
import { ownAmong } from '../../tls/chain-report.ts';
import { type TlsSide, useWords } from '../../tls/purpose.ts';
import { exitCodes, type Invocation, textOption, UsageError } from '../command.ts';
import { requireConfiguration } from '../configuration.ts';
import { askServer, serverOf } from './ask-server.ts';
import { openKey, readMaterial } from './material.ts';
import { Passwords } from './passwords.ts';
import { certificatePlaces } from './places.ts';

/** What was found where, and what it is held against. */
interface Found {
  readonly certificates: readonly X509Certificate[];
  /** False where the order means nothing. */
  readonly isOrdered: boolean;
  readonly source: string;
  readonly host?: string | undefined;
  /** Further findings, such as a key that does not match. */
  readonly more: readonly ChainFinding[];
}

/** Runs the command. */
export async function checkCertificates(invocation: Invocation, words: readonly string[]): Promise<number> {
  const [target, ...rest] = words;
  const use = useOption(invocation);
  if (target === undefined && textOption(invocation, 'config') !== undefined) return checkAll(invocation);
  if (target === undefined || rest.length > 0)
    throw new UsageError('cert check takes one HOST:PORT or FILE', 'or --config FILE, for all of a configuration');
  const found = await find(target, invocation);
  const advice = adviseOnChain(found.certificates, { ...found, use, anchors: anchorsFor(invocation), now: Date.now() });
  invocation.terminal.stdout.write(printed(found, advice, use));
  return isBad(found, advice) ? exitCodes.failed : exitCodes.good;
}

/** Each certificate of a configuration on the side on which it stands. */
async function checkAll(invocation: Invocation): Promise<number> {
  const { document } = requireConfiguration(invocation);
  let isWell = true;
  for (const place of certificatePlaces(document)) {
    const found: Found = {
      certificates: await place.read(),
      isOrdered: true,
      source: place.where,
      host: place.host,
      more: [],
    };
    const anchors = [...anchorsFor(invocation), ...place.anchors()];
    const whole = adviseOnChain(found.certificates, { ...found, use: place.side, anchors, now: Date.now() });
    const isAsked = ({ about }: ChainFinding): boolean => place.isExact || about !== 'exact-name';
    const advice = { ...whole, findings: whole.findings.filter(isAsked) };
    if (isBad(found, advice)) isWell = false;
    invocation.terminal.stdout.write(`${printed(found, advice, place.side)}\n`);
  }
  invocation.terminal.stdout.write(isWell ? 'every certificate is good\n' : 'at least one certificate is not good\n');
  return isWell ? exitCodes.good : exitCodes.failed;
}

function isBad(found: Found, { findings }: ChainAdvice): boolean {
  return [...found.more, ...findings].some(({ kind }) => kind === 'error');
}

function anchorsFor(invocation: Invocation): readonly X509Certificate[] {
  const ca = textOption(invocation, 'ca');
  return [...systemAnchors(), ...(ca ? readAuthorities(ca).certificates : [])];
}

function useOption(invocation: Invocation): TlsSide | undefined {
  const use = textOption(invocation, 'use');
  if (use === undefined || use === 'server' || use === 'client') return use;
  throw new UsageError(`--use ${use} is not known`, 'write --use server or --use client');
}

async function find(target: string, invocation: Invocation): Promise<Found> {
  const server = existsSync(target) ? undefined : serverOf(target);
  const host = textOption(invocation, 'host')?.replace(/^\[|\]$/g, '');
  const keyFile = textOption(invocation, 'key');
  if (!server) return readFound(target, host, keyFile, new Passwords(invocation.terminal));
  if (keyFile !== undefined) throw new OperatorError('--key goes with a FILE', 'name the file of the certificate');
  const name = host ?? server.host;
  const { certificates, source } = await askServer(server, name);
  return { certificates, isOrdered: true, source, host: name, more: [] };
}

async function readFound(
  file: string,
  host: string | undefined,
  keyFile: string | undefined,
  passwords: Passwords,
): Promise<Found> {
  const material = await readMaterial(file, passwords, 'name a file, or a server as HOST:PORT');
  const { certificates, isOrdered } = material;
  const keys = keyFile === undefined ? material.keys : [await openKey(keyFile, passwords)];
  return { certificates, isOrdered, source: file, host, more: keyFindings(certificates, keys, keyFile ?? file) };
}

function keyFindings(
  certificates: readonly X509Certificate[],
  keys: readonly KeyObject[] | undefined,
  file: string,
): ChainFinding[] {
  if (!keys) return [];
  if (keys.some((key) => ownAmong(certificates).some((certificate) => certificate.checkPrivateKey(key)))) return [];
  return [
    {
      kind: 'error',
      about: 'key',
      text:
        keys.length === 0 ? `${file} holds no private key` : `the key in ${file} is not the key of this certificate`,
      fix: 'use the key with which the certificate was requested, or have it issued anew for this one',
    },
  ];
}

function printed(found: Found, { report, findings }: ChainAdvice, use?: TlsSide): string {
  const lines = [found.source, ...(use ? [`clock: ${new Date().toISOString()}`] : []), ''];
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
    if (certificate && !certificate.ca) row('use', useWords(certificate));
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
