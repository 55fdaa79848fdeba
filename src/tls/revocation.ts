/**
 * Revocation lists while they serve: which certificates are revoked, whether the lists still hold, files that are replaced under
 * way. OpenSSL's own check is not used: by it one list that is too old refuses everybody, and cannot tell who is revoked.
 */
import type { X509Certificate } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { certificateParts } from './certificate-parts.ts';
import { FileWatch } from './file-watch.ts';
import { type HeldList, ListIndex, ownerOf } from './held-lists.ts';
import { type ListFile, readListFile } from './list-files.ts';

/** What is configured. */
export interface RevocationOptions {
  readonly files: readonly string[];
  /** What becomes of certificates whose authority's list has ended: refused, or looked up in the last one. */
  readonly stale: 'refuse' | 'keep';
  /** How long a list holds that does not say it, in milliseconds. */
  readonly maxAge: number;
}

interface RevocationParts {
  readonly clock: Clock;
  readonly log: Log;
}

/** What the lists say of a certificate. A revoked one stays revoked, also when its list has ended. */
type RevocationJudgement =
  | { readonly kind: 'good' }
  | { readonly kind: 'revoked'; readonly file: string }
  | { readonly kind: 'stale'; readonly file: string; readonly since: number };

const hour = 3_600_000;

/** The lists of the moment. */
export class RevocationLists {
  readonly #options: RevocationOptions;
  readonly #authorities: readonly X509Certificate[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watch: FileWatch;
  readonly #listeners = new Set<() => void>();
  readonly #said = new Map<string, number>();
  #files: readonly ListFile[];
  #index: ListIndex;
  #stale: string;

  private constructor(
    options: RevocationOptions,
    authorities: readonly X509Certificate[],
    { clock, log }: RevocationParts,
    files: readonly ListFile[],
  ) {
    this.#options = options;
    this.#authorities = authorities;
    this.#clock = clock;
    this.#log = log;
    this.#files = files;
    this.#index = new ListIndex(files.flatMap(({ lists }) => lists));
    this.#stale = this.#staleMark();
    for (const { lists } of files) this.#describe(lists, 'a revocation list is in use');
    this.#describeUnlisted();
    this.#watch = new FileWatch(
      (index) => this.#replace(index),
      () => this.#look(),
    );
    this.#look();
    this.#watch.follow(files.map(({ file }) => [file]));
  }

  /**
   * Reads every list, and finds whose it is among the authorities. Throws an OperatorError for the first that cannot be used,
   * unless `before`, the lists of a configuration that this one takes the place of, has that file: then its list stays.
   */
  static async open(
    options: RevocationOptions,
    authorities: readonly X509Certificate[],
    parts: RevocationParts,
    before?: RevocationLists,
  ): Promise<RevocationLists> {
    const files: ListFile[] = [];
    const known = before ? before.#files : [];
    for (const file of options.files) {
      const old = known.find((one) => one.file === file);
      try {
        files.push(await readListFile(file, authorities, old));
      } catch (error) {
        if (!old || !(error instanceof OperatorError)) throw error;
        files.push({ ...old, problem: { detail: error.message, hint: error.hint } });
      }
    }
    return new RevocationLists(options, authorities, parts, files);
  }

  /** What the lists of its issuer say of a certificate; signature and dates are for others to judge. */
  judge(issuer: X509Certificate, certificate: X509Certificate): RevocationJudgement {
    const lists = this.#index.of(issuer);
    if (lists.length === 0) return { kind: 'good' };
    const { serial } = certificateParts(certificate);
    const found = lists.find(({ list }) => list.serials.has(serial));
    if (found) return { kind: 'revoked', file: found.file };
    const latest = lists
      .filter(({ list }) => list.partial === undefined)
      .map((held) => ({ file: held.file, since: this.#endOf(held) }))
      .reduce((one, other) => (other.since > one.since ? other : one), { file: '', since: Number.NEGATIVE_INFINITY });
    const isStale = latest.file !== '' && latest.since <= this.#clock.now();
    return isStale && this.#options.stale === 'refuse' ? { kind: 'stale', ...latest } : { kind: 'good' };
  }

  /** When the first list of each file ends, in milliseconds since the epoch. */
  ends(): readonly { readonly file: string; readonly at: number }[] {
    return this.#files.map(({ file, lists }) => ({ file, at: Math.min(...lists.map((held) => this.#endOf(held))) }));
  }

  /** Called when judgements may have changed: a file was replaced, or a list has ended. Gives the way to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#watch.close();
    this.#listeners.clear();
  }

  #endOf({ list }: HeldList): number {
    return list.nextUpdate ?? list.thisUpdate + this.#options.maxAge;
  }

  async #replace(index: number): Promise<(() => void) | undefined> {
    const before = this.#files[index];
    if (!before) return undefined;
    try {
      const next = await readListFile(before.file, this.#authorities, before);
      if (this.#files[index] !== before || next === before) return undefined;
      this.#use(index, next);
      this.#describe(next.lists, 'a revocation list was replaced');
      return undefined;
    } catch (error) {
      const { message: detail, hint } = error instanceof OperatorError ? error : new OperatorError(String(error));
      return () => {
        const now = this.#files[index];
        if (now) this.#files = this.#files.with(index, { ...now, mark: '', problem: { detail, hint } });
        this.#look();
      };
    }
  }

  #use(index: number, next: ListFile): void {
    this.#files = this.#files.with(index, next);
    this.#index = new ListIndex(this.#files.flatMap(({ lists }) => lists));
    for (const key of this.#said.keys()) if (key.includes(next.file)) this.#said.delete(key);
    this.#stale = this.#staleMark();
    for (const listener of this.#listeners) listener();
    this.#look();
  }

  #describe(lists: readonly HeldList[], message: string): void {
    for (const held of lists) {
      const { issuerWords: issuer, serials, partial } = held.list;
      const fields = {
        file: held.file,
        issuer,
        revoked: serials.count,
        until: new Date(this.#endOf(held)).toISOString(),
      };
      if (held.authority) this.#log.info(fields, message);
      else if (!held.isForeign)
        this.#log.info(fields, 'a revocation list waits for its authority, which no file names');
      if (partial !== undefined)
        this.#log.warn({ ...fields, detail: partial }, 'a revocation list does not name all that is revoked');
    }
  }

  /** Certificates of these are not looked up anywhere, which nobody may take for granted. */
  #describeUnlisted(): void {
    const owners = new Set(
      this.#files.flatMap(({ lists }) => lists.map(({ authority }) => authority && ownerOf(authority))),
    );
    for (const authority of this.#authorities)
      if (!owners.has(ownerOf(authority)))
        this.#log.info(
          { authority: authority.subject.split('\n').reverse().join(', ') },
          'an authority has no revocation list',
        );
  }

  #staleMark(): string {
    const now = this.#clock.now();
    return this.#files.flatMap(({ lists }) => lists.map((held) => (this.#endOf(held) <= now ? '1' : '0'))).join('');
  }

  /** Says what is to be mended: every hour what is wrong, once a day what soon will be. */
  #look(): void {
    const now = this.#clock.now();
    for (const { file, lists, problem } of this.#files) {
      if (problem)
        this.#say(`file ${file} ${problem.detail}`, hour, () =>
          this.#log.error({ file, ...problem }, 'a replaced revocation list cannot be used; the one before goes on'),
        );
      for (const held of lists) this.#lookAt(held, now);
    }
    const stale = this.#staleMark();
    if (stale === this.#stale) return;
    this.#stale = stale;
    for (const listener of this.#listeners) listener();
  }

  #lookAt(held: HeldList, now: number): void {
    const { issuerWords: issuer, thisUpdate } = held.list;
    const end = this.#endOf(held);
    const fields = { file: held.file, issuer, until: new Date(end).toISOString() };
    const key = `${held.file} ${issuer}`;
    if (held.isForeign)
      this.#say(`foreign ${key}`, hour, () =>
        this.#log.error(fields, 'a revocation list is signed by another authority of the same name, and is not used'),
      );
    else if (end <= now)
      this.#say(`stale ${key}`, hour, () =>
        this.#log.error({ ...fields, stale: this.#options.stale }, 'a revocation list has ended; fetch the next one'),
      );
    else if (now >= thisUpdate + ((end - thisUpdate) * 2) / 3)
      this.#say(`soon ${key}`, 24 * hour, () =>
        this.#log.warn(fields, 'a revocation list ends soon; fetch the next one'),
      );
  }

  #say(key: string, every: number, say: () => void): void {
    const now = this.#clock.now();
    if (now - (this.#said.get(key) ?? Number.NEGATIVE_INFINITY) < every) return;
    this.#said.set(key, now);
    say();
  }
}
