/**
 * The rules for passwords that are chosen here, whoever keeps them then. Strength is not estimated: length counts, and what others
 * use, what has leaked and what anybody knows of its owner is refused (NIST SP 800-63B §5.1.1.2).
 */
import type { PasswordRefusal } from '../core/outcome.ts';
import { hasLeaked } from './leaked-passwords.ts';
import type { PasswordOptions } from './password-options.ts';

/** Whose password it is to be: what anybody knows of them. */
interface PasswordOwner {
  readonly username: string;
  /** Their names and addresses. */
  readonly words: readonly string[];
}

/** Why a password may not be chosen. */
type PasswordFlaw = Extract<
  PasswordRefusal,
  'too-short' | 'too-long' | 'too-simple' | 'common' | 'personal' | 'leaked'
>;

/** Says of a new password whether it will do. */
export interface PasswordJudge {
  /** Undefined where it will do. Rejects where a list cannot be read: nobody knows then. */
  judge(password: string, owner: PasswordOwner): Promise<PasswordFlaw | undefined>;
}

/** Words that are too short to look for, and remains that make a password of its own of a word that everybody knows. */
const shortestWord = 3;
const ownRemains = 6;

/** The rules of a site. */
export class PasswordRules implements PasswordJudge {
  readonly #options: PasswordOptions;
  readonly #siteWords: readonly string[];

  /** `siteWords`: the names of the site and of its company. */
  constructor(options: PasswordOptions, siteWords: readonly string[]) {
    this.#options = options;
    this.#siteWords = siteWords;
  }

  async judge(password: string, { username, words }: PasswordOwner): Promise<PasswordFlaw | undefined> {
    const { minLength, maxLength, blockCommon, blocked } = this.#options;
    const length = [...password].length;
    if (length < minLength) return 'too-short';
    if (length > maxLength) return 'too-long';
    if (!this.#isComposed(password)) return 'too-simple';
    if (blockCommon) {
      if (isMadeOf(password, [username, ...words, ...this.#siteWords])) return 'personal';
      if (await isCommon(password)) return 'common';
    }
    return blocked !== undefined && (await hasLeaked(blocked, password)) ? 'leaked' : undefined;
  }

  #isComposed(password: string): boolean {
    const { upper, lower, digit, other } = this.#options.compose;
    const count = (pattern: RegExp): number => password.match(pattern)?.length ?? 0;
    return (
      count(/\p{Lu}/gu) >= upper &&
      count(/\p{Ll}/gu) >= lower &&
      count(/\p{Nd}/gu) >= digit &&
      count(/[^\p{Lu}\p{Ll}\p{Nd}]/gu) >= other
    );
  }
}

/** Names of a site out of its address: `cc.example.com` is known by `example`, and as a whole. */
export function wordsOfHost(host: string): readonly string[] {
  return [host, ...host.split('.').slice(0, -1)];
}

/** Whether little is left of a password without what anybody knows: `alice2026!` without `alice`. */
function isMadeOf(password: string, known: readonly string[]): boolean {
  const parts = known.flatMap((text) => [text, ...text.split(/[^\p{L}\p{N}]+/u)]).map(fold);
  const words = [...new Set(parts)].filter((word) => word.length >= shortestWord).sort((a, b) => b.length - a.length);
  const whole = fold(password);
  const rest = words.reduce((left, word) => left.replaceAll(word, ''), whole);
  return rest !== whole && [...rest].length < ownRemains;
}

/** Whether many people use it, be it with a few digits and signs before or behind: `Sommer2026!`. */
async function isCommon(password: string): Promise<boolean> {
  const list = await commonPasswords();
  const whole = fold(password);
  const bare = whole.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '');
  return list.has(whole) || (bare.length >= shortestWord && whole.length - bare.length < ownRemains && list.has(bare));
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

let loading: Promise<ReadonlySet<string>> | undefined;

/** The list that ships, read when somebody chooses a password for the first time. */
function commonPasswords(): Promise<ReadonlySet<string>> {
  loading ??= import('@zxcvbn-ts/language-common').then(({ dictionary }) => new Set(dictionary['passwords-common']));
  return loading;
}
