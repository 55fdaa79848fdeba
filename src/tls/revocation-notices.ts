/** What the log is told of revocation lists: whose they are, what is wrong every hour, what soon will be once a day. */
import type { X509Certificate } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { type HeldList, ownerOf } from './held-lists.ts';
import type { ListFile } from './list-files.ts';

/** What is configured. */
export interface RevocationOptions {
  readonly files: readonly string[];
  /** What becomes of certificates whose authority's list has ended: refused, or looked up in the last one. */
  readonly stale: 'refuse' | 'keep';
  /** How long a list holds that does not say it, in milliseconds. */
  readonly maxAge: number;
}

/** Lists that have been read and await use. */
export interface PreparedRevocation {
  readonly options: RevocationOptions;
  /** Whose lists count. */
  readonly authorities: readonly X509Certificate[];
  readonly files: readonly ListFile[];
}

const hour = 3_600_000;

/** When a list ends, in milliseconds since the epoch. */
export function endOf({ nextUpdate, thisUpdate }: HeldList['list'], { maxAge }: RevocationOptions): number {
  return nextUpdate ?? thisUpdate + maxAge;
}

/** Says each thing as often as it should be heard. */
export class RevocationNotices {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #said = new Map<string, number>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Lists are in use from here on. */
  begin(prepared: PreparedRevocation): void {
    for (const { lists } of prepared.files) this.#describe(lists, prepared.options, 'a revocation list is in use');
    this.#describeUnlisted(prepared);
  }

  /** A file was replaced: what was wrong with it is news when it comes again. */
  replaced({ file, lists }: ListFile, { options }: PreparedRevocation): void {
    for (const key of this.#said.keys()) if (key.includes(file)) this.#said.delete(key);
    this.#describe(lists, options, 'a revocation list was replaced');
  }

  /** Says what is to be mended. */
  look({ files, options }: PreparedRevocation): void {
    for (const { file, lists, problem } of files) {
      if (problem)
        this.#say(`file ${file} ${problem.detail}`, hour, () =>
          this.#log.error({ file, ...problem }, 'a replaced revocation list cannot be used; the one before goes on'),
        );
      for (const held of lists) this.#lookAt(held, options);
    }
  }

  #describe(lists: readonly HeldList[], options: RevocationOptions, message: string): void {
    for (const held of lists) {
      const { issuerWords: issuer, serials, partial } = held.list;
      const fields = {
        file: held.file,
        issuer,
        revoked: serials.count,
        until: new Date(endOf(held.list, options)).toISOString(),
      };
      if (held.authority) this.#log.info(fields, message);
      else if (!held.isForeign)
        this.#log.warn(
          fields,
          'a revocation list is of an authority that is not among those of clients, and is not used',
        );
      if (partial !== undefined)
        this.#log.warn({ ...fields, detail: partial }, 'a revocation list does not name all that is revoked');
    }
  }

  /** Certificates of these are not looked up anywhere, which nobody may take for granted. */
  #describeUnlisted({ files, authorities }: PreparedRevocation): void {
    const owners = new Set(files.flatMap(({ lists }) => lists.map(({ authority }) => authority && ownerOf(authority))));
    for (const authority of authorities)
      if (!owners.has(ownerOf(authority)))
        this.#log.info(
          { authority: authority.subject.split('\n').reverse().join(', ') },
          'an authority has no revocation list',
        );
  }

  #lookAt(held: HeldList, options: RevocationOptions): void {
    const now = this.#clock.now();
    const { issuerWords: issuer, thisUpdate } = held.list;
    const end = endOf(held.list, options);
    const fields = { file: held.file, issuer, until: new Date(end).toISOString() };
    const key = `${held.file} ${issuer}`;
    if (held.isForeign)
      this.#say(`foreign ${key}`, hour, () =>
        this.#log.error(fields, 'a revocation list is signed by another authority of the same name, and is not used'),
      );
    else if (end <= now)
      this.#say(`stale ${key}`, hour, () =>
        this.#log.error({ ...fields, stale: options.stale }, 'a revocation list has ended; fetch the next one'),
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
