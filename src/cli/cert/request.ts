/** `gatehouse cert request`: a key and a request for an authority, and what to tell it. */
import type { KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import { domainToASCII } from 'node:url';
import { OperatorError } from '../../core/errors.ts';
import type { TlsSide } from '../../tls/purpose.ts';
import { type KeyType, keyTypes, makeKey, signingRequest, toPem } from '../../tls/signing-request.ts';
import { exitCodes, type Invocation, textOption, UsageError } from '../command.ts';
import { configFile, xivoEnvironment } from '../configuration.ts';
import { openKey } from './material.ts';
import { alreadyThere, writeNewFile } from './new-file.ts';
import { Passwords } from './passwords.ts';
import { keyPin, rememberRequest } from './pending.ts';

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Runs the command. */
export async function requestCertificate(invocation: Invocation, words: readonly string[]): Promise<number> {
  const name = textOption(invocation, 'name');
  const out = textOption(invocation, 'out');
  if (words.length > 0 || name === undefined || out === undefined)
    throw new UsageError('cert request needs --name FQDN and --out DIR', 'and takes no other words');
  const names = [
    ...new Set([hostName(name, false), ...listOption(invocation, 'alt').map((one) => hostName(one, true))]),
  ];
  const addresses = listOption(invocation, 'ip').map(addressOf);
  const uses = usesOption(invocation);
  const folder = path.resolve(out);
  const [own = ''] = names;
  const files = { pem: path.join(folder, `${own}.csr`), der: path.join(folder, `${own}.csr.der`) };
  const keyFile = path.resolve(textOption(invocation, 'key') ?? path.join(folder, `${own}.key`));
  const isOldKey = textOption(invocation, 'key') !== undefined && existsSync(keyFile);
  for (const file of [files.pem, files.der, ...(isOldKey ? [] : [keyFile])])
    if (existsSync(file)) throw alreadyThere(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const key = isOldKey ? await oldKey(keyFile, invocation) : makeKey(typeOption(invocation) ?? 'ec256');
  if (!isOldKey) writeNewFile(keyFile, key.export({ type: 'pkcs8', format: 'pem' }), 'owner');
  const der = signingRequest(key, { names, addresses, uses });
  writeNewFile(files.pem, toPem('CERTIFICATE REQUEST', der), 'everybody');
  writeNewFile(files.der, der, 'everybody');
  const isRemembered = remember(invocation, {
    name: own,
    key: keyFile,
    pin: keyPin(key),
    made: new Date().toISOString(),
  });
  invocation.terminal.stdout.write(
    said({ files, keyFile, isOldKey, isRemembered, names: [...names, ...addresses], uses, own }),
  );
  if (isOldKey && (statSync(keyFile).mode & 0o077) !== 0)
    invocation.terminal.stderr.write(`warning: others may read ${keyFile}\n  chmod 600 it\n`);
  return exitCodes.good;
}

function listOption({ values }: Invocation, name: string): string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function hostName(text: string, mayBeAny: boolean): string {
  const isWild = text.startsWith('*.');
  const plain = domainToASCII((isWild ? text.slice(2) : text).replace(/\.$/, '').toLowerCase());
  const labels = plain.split('.');
  if (isWild && !mayBeAny)
    throw new UsageError(`--name ${text} is a wildcard`, 'name the machine itself; a wildcard goes under --alt');
  if (isIP(text) !== 0) throw new UsageError(`${text} is an address`, 'name it with --ip');
  if (plain.length > 253 || !labels.every((one) => label.test(one)))
    throw new UsageError(`${text} is no host name`, 'write it as qms01.corp.example.com');
  if (labels.length < 2 && !mayBeAny)
    throw new UsageError(`--name ${text} has no domain`, 'write the whole name; a short one goes under --alt');
  return isWild ? `*.${plain}` : plain;
}

function addressOf(text: string): string {
  const address = text.replace(/^\[|\]$/g, '');
  if (isIP(address) === 0 || address.includes('%'))
    throw new UsageError(`--ip ${text} is no address`, 'write it as 10.1.4.7');
  return address;
}

function usesOption(invocation: Invocation): TlsSide[] {
  const words = (textOption(invocation, 'use') ?? 'server,client').split(',').map((word) => word.trim());
  const uses = words.flatMap((word): TlsSide[] => (word === 'server' || word === 'client' ? [word] : []));
  if (uses.length !== words.length || new Set(uses).size !== uses.length)
    throw new UsageError(`--use ${words.join(',')} is not known`, 'write server, client or server,client');
  return uses;
}

function typeOption(invocation: Invocation): KeyType | undefined {
  const text = textOption(invocation, 'type');
  const type = keyTypes.find((one) => one === text);
  if (text !== undefined && type === undefined)
    throw new UsageError(`--type ${text} is not known`, `write one of ${keyTypes.join(', ')}`);
  return type;
}

async function oldKey(file: string, invocation: Invocation): Promise<KeyObject> {
  if (typeOption(invocation))
    throw new UsageError(
      `${file} is there already, and has a type of its own`,
      'leave --type out, or name a new --key FILE',
    );
  const key = await openKey(file, new Passwords(invocation.terminal));
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  const isGood =
    (key.asymmetricKeyType === 'rsa' && modulusLength >= 2048) ||
    (key.asymmetricKeyType === 'ec' && (namedCurve === 'prime256v1' || namedCurve === 'secp384r1'));
  if (isGood) return key;
  throw new OperatorError(
    `the key in ${file} is not taken: ${key.asymmetricKeyType} ${namedCurve ?? modulusLength}`,
    'take RSA of 2048 bits or more, or the curves P-256 and P-384',
  );
}

function remember(invocation: Invocation, request: Parameters<typeof rememberRequest>[1]): boolean {
  const file = configFile(invocation);
  if (file === xivoEnvironment || !existsSync(path.dirname(file))) return false;
  rememberRequest(path.dirname(file), request);
  return true;
}

interface Made {
  readonly files: { readonly pem: string; readonly der: string };
  readonly keyFile: string;
  readonly isOldKey: boolean;
  readonly isRemembered: boolean;
  readonly names: readonly string[];
  readonly uses: readonly TlsSide[];
  readonly own: string;
}

function said({ files, keyFile, isOldKey, isRemembered, names, uses, own }: Made): string {
  return `${[
    `key       ${keyFile} (${isOldKey ? 'the one that was there' : 'new; only its owner may read it'})`,
    `request   ${files.pem} (PEM)`,
    `          ${files.der} (DER)`,
    `names     ${names.join(', ')}`,
    `use       ${uses.join(' and ')}`,
    '',
    'Give one of the two requests to your authority; the key stays here. It must put the names under subjectAltName and grant the use.',
    'Active Directory Certificate Services, on a member of the domain, with TEMPLATE as docs/certificates.md says:',
    `  certreq -submit -attrib "CertificateTemplate:TEMPLATE" ${own}.csr ${own}.cer`,
    '',
    isRemembered ? 'When the certificate comes:' : 'The key is not remembered anywhere. When the certificate comes:',
    `  gatehouse cert import ${own}.cer --as listener:NAME${isRemembered ? '' : ` --key ${keyFile}`}`,
  ].join('\n')}\n`;
}
