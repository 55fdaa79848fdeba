/** A certificate for a listener: its key is found, its chain put in order, and both in the files that the listener reads. */
import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { OperatorError } from '../../core/errors.ts';
import { readAuthorities, systemAnchors } from '../../tls/authorities.ts';
import { adviseOnChain } from '../../tls/chain-advice.ts';
import { orderChain, ownAmong } from '../../tls/chain-report.ts';
import type { CertificateSource } from '../../tls/options.ts';
import { type Import, type Imported, put, refuseOrWarn } from './imported.ts';
import { openKey, readSource } from './material.ts';
import { forgetRequest, pendingRequests } from './pending.ts';
import { type ListenerCertificates, listenerCertificates } from './places.ts';

/** A key with the file in which it was found. */
interface FoundKey {
  readonly key: KeyObject;
  readonly file: string | undefined;
}

/** Puts it in place. */
export async function importListener(load: Import): Promise<Imported> {
  const { name, document, config, certificates, files, now } = load;
  const listener = listenerCertificates(document).find((one) => one.name === name);
  if (!listener) throw noListener(load);
  const { leaf, found } = await ownWithKey(load, listener);
  const target = await sourceFor(listener, leaf);
  const chain = orderChain([leaf, ...certificates.filter((one) => one !== leaf)]);
  const anchors = [...systemAnchors(), ...(target.ca === undefined ? [] : readAuthorities(target.ca).certificates)];
  const exact = target.name;
  // Of several hosts each may have a certificate of its own.
  const isFor = (one: string): boolean => leaf.checkHost(one, { subject: 'never' }) !== undefined;
  const host = exact ?? listener.hosts.find(isFor) ?? listener.hosts[0];
  const { findings } = adviseOnChain(chain, { anchors, now, host, use: 'server', isOrdered: true });
  const refused = ['dates', 'names', 'use', 'key', ...(exact === undefined ? [] : (['exact-name'] as const))] as const;
  const remarks = refuseOrWarn(findings, refused, files.join(', '));
  const own = chain.filter((one, index) => index === 0 || !(one.ca && one.subject === one.issuer));
  const pem = own.map(String).join('');
  const said: string[] = [];
  const tell = (file: string, text: string, isSecret: boolean): void => {
    const kept = put(file, text, isSecret);
    said.push(
      `${file}: ${isSecret ? 'the key' : own.length > 1 ? `the certificate and ${own.length - 1} above it` : 'the certificate'}${kept ? `; the one before is kept as ${kept}` : ''}`,
    );
  };
  // The key first: the certificate is noticed last, and both are read together.
  if (!isSameKey(target.key, found.key, target)) tell(target.key, keyText(found.key, target), true);
  tell(target.certificate, pem, false);
  forgetRequest(path.dirname(config), found.key);
  said.push('a gateway that runs notices within two seconds');
  return { said, remarks };
}

type PemSource = Extract<CertificateSource, { certificate: string }>;

function noListener({ name, document }: Import): OperatorError {
  const names = listenerCertificates(document).map((one) => one.name);
  return new OperatorError(
    `there is no listener ${name} that has certificates${names.length > 0 ? `, but ${names.join(', ')}` : ''}`,
    'write its tls: { certificate: ../certs/NAME.crt, key: ../certs/NAME.key } first; the files need not be there yet',
  );
}

/** The certificate among those that came whose key is known. */
async function ownWithKey(
  load: Import,
  listener: ListenerCertificates,
): Promise<{ leaf: X509Certificate; found: FoundKey }> {
  const own = ownAmong(load.certificates);
  const looked: string[] = [];
  for await (const found of candidates(load, listener)) {
    if (found.file !== undefined) looked.push(found.file);
    const leaf = own.find((one) => one.checkPrivateKey(found.key));
    if (leaf) return { leaf, found };
  }
  const subject = own[0]?.subject.split('\n').reverse().join(', ') ?? 'nothing';
  throw new OperatorError(
    `no key is known that belongs to ${subject}, in ${load.files.join(', ')}`,
    looked.length === 0
      ? 'name the key with which it was requested: --key FILE'
      : `tried ${[...new Set(looked)].join(', ')}; name the key with which it was requested: --key FILE`,
  );
}

async function* candidates(
  { keys, keyFile, config, files, passwords }: Import,
  { sources }: ListenerCertificates,
): AsyncGenerator<FoundKey> {
  for (const key of keys) yield { key, file: undefined };
  if (keyFile !== undefined) {
    yield { key: await openKey(keyFile, passwords), file: path.resolve(keyFile) };
    return;
  }
  for (const { key: file } of pendingRequests(path.dirname(config))) yield* plainKey(file);
  // An authority may renew a certificate for the key that is in use.
  for (const source of sources) {
    const kept = await readSource(source).catch(() => undefined);
    for (const key of kept?.keys ?? []) yield { key, file: 'key' in source ? source.key : source.pkcs12 };
  }
  for (const folder of new Set(files.map((file) => path.dirname(path.resolve(file)))))
    for (const file of globSync('*.key', { cwd: folder }).sort()) yield* plainKey(path.join(folder, file));
}

/** A key that opens without a password; anything else is passed over. */
function* plainKey(file: string): Generator<FoundKey> {
  try {
    yield { key: createPrivateKey(readFileSync(file)), file };
  } catch {
    // What cannot be read is not the key that is looked for.
  }
}

/** Of several certificates of a listener that whose names are those of the new one. */
async function sourceFor({ name, sources }: ListenerCertificates, leaf: X509Certificate): Promise<PemSource> {
  let chosen = sources.length === 1 ? sources[0] : undefined;
  for (const source of sources) {
    if (chosen) break;
    const kept = await readSource(source).catch(() => undefined);
    if (kept?.certificates[0]?.subjectAltName === leaf.subjectAltName) chosen = source;
  }
  if (!chosen)
    throw new OperatorError(
      `listener ${name} has ${sources.length} certificates, and none has the names of this one`,
      'put it into the files of the one that it takes the place of',
    );
  if ('pkcs12' in chosen)
    throw new OperatorError(
      `listener ${name} reads ${chosen.pkcs12}, which is not taken apart`,
      'write certificate: and key: in its place; the files need not be there yet',
    );
  return chosen;
}

function isSameKey(file: string, key: KeyObject, { password }: PemSource): boolean {
  if (!existsSync(file)) return false;
  try {
    const passphrase = password?.reveal();
    return createPrivateKey({ key: readFileSync(file), ...(passphrase !== undefined && { passphrase }) }).equals(key);
  } catch {
    return false;
  }
}

/** In clear, unless the listener's key has a password: then under the same. */
function keyText(key: KeyObject, { password }: PemSource): string {
  const text = password
    ? key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: password.reveal() })
    : key.export({ type: 'pkcs8', format: 'pem' });
  return text.toString();
}
