/** What an import has to work with, and what it comes to; and putting files in their places so that nothing is lost. */

import type { KeyObject, X509Certificate } from 'node:crypto';
import { chmodSync, constants, copyFileSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { NewRow } from '../../config/insert-row.ts';
import { OperatorError } from '../../core/errors.ts';
import type { Document } from '../../gateway/document.ts';
import type { ChainFinding } from '../../tls/chain-advice.ts';
import { replaceFile } from '../../users/safe-write.ts';
import type { Passwords } from './passwords.ts';

/** What was given. */
export interface Import {
  readonly name: string;
  readonly document: Document;
  /** The file of the configuration, absolute. */
  readonly config: string;
  readonly files: readonly string[];
  /** Each once, whatever file it was in. */
  readonly certificates: readonly X509Certificate[];
  readonly keys: readonly KeyObject[];
  /** As it was named. */
  readonly keyFile: string | undefined;
  /** What a peer may reach. */
  readonly services: readonly string[];
  readonly passwords: Passwords;
  readonly now: number;
}

/** What became of it. */
export interface Imported {
  readonly said: readonly string[];
  readonly remarks: readonly string[];
  /** What the configuration needs, where it does not name the files already. */
  readonly row?: {
    /** Where it goes, in words. */
    readonly under: string;
    readonly text: string;
    /** Absent where only a person can say. */
    readonly insert?: NewRow;
  };
}

/** Where certificates go of which the configuration says nothing: `certs` beside its folder, as in the examples. */
export function certificateFolder(config: string): string {
  return path.resolve(path.dirname(config), '..', 'certs');
}

/** A path as a configuration writes it. */
export function relativeTo(config: string, file: string): string {
  const relative = path.relative(path.dirname(config), file);
  return relative.startsWith('..') || path.isAbsolute(relative) ? relative : `./${relative}`.replace(/^\.\//, '');
}

/** Puts a text in its place; gives the place where what was there before is kept, if anything was. */
export function put(file: string, text: string, isSecret: boolean): string | undefined {
  mkdirSync(path.dirname(file), { recursive: true });
  const old = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (old === text) return undefined;
  const mode = old === undefined ? (isSecret ? 0o600 : 0o644) : statSync(file).mode & 0o777;
  const kept = old === undefined ? undefined : keep(file);
  replaceFile(file, text);
  if (!isSecret) chmodSync(file, mode);
  return kept;
}

/** The copy has the rights of what it is a copy of. */
function keep(file: string): string {
  for (let number = 1; ; number++) {
    const copy = `${file}.${number}.old`;
    if (existsSync(copy)) continue;
    copyFileSync(file, copy, constants.COPYFILE_EXCL);
    chmodSync(copy, statSync(file).mode & 0o777);
    return copy;
  }
}

/** Refuses by the first that is wrong; the others are for a warning. */
export function refuseOrWarn(
  findings: readonly ChainFinding[],
  refused: readonly ChainFinding['about'][],
  file: string,
): readonly string[] {
  const fault = findings.find(({ kind, about }) => kind === 'error' && refused.includes(about));
  if (fault) throw new OperatorError(`${file} is not imported: ${fault.text}`, fault.fix);
  return findings.filter(({ about }) => about !== 'exact-name').map(({ text, fix }) => `${text}\n  ${fix}`);
}
