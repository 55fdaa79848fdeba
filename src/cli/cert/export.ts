/** `gatehouse cert export`: a certificate for the other side. A key leaves only when it is asked for by name, and never in clear. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { OperatorError } from '../../core/errors.ts';
import type { Secret } from '../../core/secret.ts';
import { parseAuthorities } from '../../tls/authorities.ts';
import { writeBundle } from '../../tls/bundle.ts';
import { namesOf } from '../../tls/chain-report.ts';
import { readPkcs12 } from '../../tls/pkcs12.ts';
import { readKey } from '../../tls/server-certificate.ts';
import { exitCodes, type Invocation, textOption, UsageError } from '../command.ts';
import { requireConfiguration } from '../configuration.ts';
import { openKey, readMaterial } from './material.ts';
import { writeNewFile } from './new-file.ts';
import { Passwords } from './passwords.ts';
import { chainWithKey, listenerChain } from './places.ts';

const forms = ['der', 'pem', 'chain', 'pkcs12'] as const;
type Form = (typeof forms)[number];

/** What leaves. */
interface Load {
  readonly form: Form;
  readonly certificates: readonly X509Certificate[];
  readonly key: KeyObject | undefined;
  readonly password: Secret | undefined;
}

/** Runs the command. */
export async function exportCertificate(invocation: Invocation, words: readonly string[]): Promise<number> {
  const { values, terminal } = invocation;
  const [target, ...rest] = words;
  const out = textOption(invocation, 'out');
  const [form, ...others] = forms.filter((one) => values[one] === true);
  if (target === undefined || rest.length > 0 || out === undefined || form === undefined || others.length > 0)
    throw new UsageError(
      'cert export takes one listener:NAME or FILE, one of --der, --pem, --chain and --pkcs12, and --out FILE',
      'such as: gatehouse cert export listener:public --der --out cc.cer',
    );
  const withKey = values['with-key'] === true;
  if (withKey && form === 'der')
    throw new UsageError('--der holds a certificate alone', 'take --pkcs12 or --chain for a key');
  const passwords = new Passwords(terminal);
  const { chain, key } = await find(target, invocation, passwords);
  if (withKey && !key)
    throw new OperatorError(
      `no key is known that belongs to the certificate of ${target}`,
      'name its file with --key FILE',
    );
  const file = path.resolve(out);
  const load: Load = {
    form,
    certificates: form === 'der' || form === 'pem' ? chain.slice(0, 1) : chain,
    key: withKey ? key : undefined,
    password: withKey || form === 'pkcs12' ? await passwords.askNew(`Password for ${file}: `) : undefined,
  };
  writeNewFile(file, contentOf(load), withKey ? 'owner' : 'everybody');
  try {
    readBack(file, load);
  } catch (error) {
    rmSync(file);
    throw new OperatorError(`the file ${file} did not read back as it was written, and is removed`, 'try again', error);
  }
  const count = load.certificates.length;
  terminal.stdout.write(
    `${file}: ${count === 1 ? 'the certificate' : `${count} certificates`}${withKey ? ' and the key' : ''}, read back and good\n`,
  );
  return exitCodes.good;
}

async function find(target: string, invocation: Invocation, passwords: Passwords) {
  const listener = /^listener:(.+)$/.exec(target)?.[1];
  if (listener !== undefined) return listenerChain(requireConfiguration(invocation).document, listener);
  const material = await readMaterial(target, passwords, 'name a file, or listener:NAME');
  const keyFile = textOption(invocation, 'key');
  const keys = keyFile === undefined ? (material.keys ?? []) : [await openKey(keyFile, passwords)];
  return chainWithKey(material.certificates, keys);
}

function contentOf({ form, certificates, key, password }: Load): string | Buffer {
  const [own] = certificates;
  if (!own) throw new OperatorError('there is no certificate to export');
  if (form === 'der') return own.raw;
  if (form === 'pkcs12' && password)
    return writeBundle({ certificates, name: namesOf(own)[0] ?? 'gatehouse', ...(key && { key }) }, password);
  const pem = certificates.map(String).join('');
  if (!key || !password) return pem;
  return `${pem}${key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: password.reveal() })}`;
}

/** Throws unless the file holds what was meant. */
function readBack(file: string, { form, certificates, key, password }: Load): void {
  const bytes = readFileSync(file);
  const found = readAs(form, bytes, file, key ? password : undefined, password);
  const marks = (list: readonly X509Certificate[]): string =>
    list.map(({ fingerprint256 }) => fingerprint256).join(' ');
  if (marks(found.certificates) !== marks(certificates)) throw new Error('the certificates are others');
  if (found.keys.length !== (key ? 1 : 0)) throw new Error('the keys are others');
  const [own] = certificates;
  if (found.keys.some((one) => own?.checkPrivateKey(one) !== true)) throw new Error('the key is another');
}

function readAs(
  form: Form,
  bytes: Buffer,
  file: string,
  keyPassword: Secret | undefined,
  password: Secret | undefined,
) {
  if (form === 'pkcs12') return readPkcs12(bytes, password, `the file ${file}`);
  if (form === 'der') return { certificates: [new X509Certificate(bytes)], keys: [] };
  const { certificates } = parseAuthorities(bytes.toString('latin1'), `the file ${file}`);
  return { certificates, keys: keyPassword ? [readKey(bytes, keyPassword, file)] : [] };
}
