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
import { type HeldList, ownerOf } from './held-lists.ts';
import { type ListFile, readListFile } from './list-files.ts';
import { endOf, type PreparedRevocation, RevocationNotices, type RevocationOptions } from './revocation-notices.ts';

interface RevocationParts {
  readonly clock: Clock;
  readonly log: Log;
}

/** What the lists say of a certificate. A revoked one stays revoked, also when its list has ended. */
type RevocationJudgement =
  | { readonly kind: 'good' }
  | { readonly kind: 'revoked' }
  /** Nobody can say: the list of its authority has ended, or is none that can be verified. */
  | { readonly kind: 'stale' };

/** More authorities than ever stand above one another. */
const highest = 8;

/** The lists of the moment. */
export class RevocationLists {
  readonly #clock: Clock;
  readonly #notices: RevocationNotices;
  readonly #watch: FileWatch;
  readonly #onChange: () => void;
  #now: PreparedRevocation;
  #byOwner: ReadonlyMap<string, readonly HeldList[]>;
  #stale: string;

  /** `onChange` is told when judgements may have changed: a file was replaced, or a list has ended. */
  constructor(prepared: PreparedRevocation, { clock, log }: RevocationParts, onChange: () => void) {
    this.#clock = clock;
    this.#notices = new RevocationNotices(clock, log);
    this.#onChange = onChange;
    this.#now = prepared;
    this.#byOwner = byOwner(prepared.files);
    this.#stale = this.#staleMark();
    this.#watch = new FileWatch(
      (index) => this.#replace(index),
      () => this.#look(),
    );
    this.#begin();
  }

  /** What is in use, for what takes its place. */
  get current(): PreparedRevocation {
    return this.#now;
  }

  /** Puts other lists in place, as a reload does. */
  use(prepared: PreparedRevocation): void {
    this.#now = prepared;
    this.#byOwner = byOwner(prepared.files);
    this.#stale = this.#staleMark();
    this.#begin();
  }

  /** What the lists say of a certificate and of those above it; signatures and dates are for others to judge. */
  judge(certificate: X509Certificate): RevocationJudgement {
    let at = certificate;
    for (let step = 0; step < highest; step++) {
      const issuer = this.#issuerOf(at);
      const judgement = issuer ? this.#judgeBy(issuer, at) : this.#judgeUnknown(at);
      // The top of a chain has issued itself, and stands in nobody's list.
      if (judgement.kind !== 'good' || !issuer || ownerOf(issuer) === ownerOf(at)) return judgement;
      at = issuer;
    }
    return { kind: 'good' };
  }

  #issuerOf(certificate: X509Certificate): X509Certificate | undefined {
    const { issuer } = certificateParts(certificate);
    const named = this.#now.authorities.filter((one) => certificateParts(one).subject.equals(issuer));
    // The chain was verified at the handshake; which of several of one name it was, their keys tell.
    return named.length < 2 ? named[0] : named.find((one) => certificate.verify(one.publicKey));
  }

  #judgeBy(issuer: X509Certificate, certificate: X509Certificate): RevocationJudgement {
    const lists = this.#byOwner.get(ownerOf(issuer)) ?? [];
    const { serial } = certificateParts(certificate);
    if (lists.some(({ list }) => list.serials.has(serial))) return { kind: 'revoked' };
    const whole = lists.filter(({ list }) => list.partial === undefined);
    const hasEnded = whole.length > 0 && whole.every((held) => this.#endOf(held) <= this.#clock.now());
    return hasEnded ? this.#judgeStale() : { kind: 'good' };
  }

  /** A list by the name of an authority that is not known cannot be verified, and leaves its certificates unjudged. */
  #judgeUnknown(certificate: X509Certificate): RevocationJudgement {
    const { issuer } = certificateParts(certificate);
    const isListed = this.#now.files.some(({ lists }) =>
      lists.some(({ authority, list }) => !authority && list.issuer.equals(issuer)),
    );
    return isListed ? this.#judgeStale() : { kind: 'good' };
  }

  #judgeStale(): RevocationJudgement {
    return this.#now.options.stale === 'refuse' ? { kind: 'stale' } : { kind: 'good' };
  }

  /** When the first list of each file ends, in milliseconds since the epoch. */
  ends(): readonly { readonly file: string; readonly at: number }[] {
    return this.#now.files.map(({ file, lists }) => ({
      file,
      at: Math.min(...lists.map((held) => this.#endOf(held))),
    }));
  }

  close(): void {
    this.#watch.close();
  }

  #endOf({ list }: HeldList): number {
    return endOf(list, this.#now.options);
  }

  #begin(): void {
    this.#notices.begin(this.#now);
    this.#look();
    this.#watch.follow(this.#now.files.map(({ file }) => [file]));
  }

  async #replace(index: number): Promise<(() => void) | undefined> {
    const { authorities, files } = this.#now;
    const before = files[index];
    if (!before) return undefined;
    try {
      const next = await readListFile(before.file, authorities, before);
      if (this.#now.files[index] !== before || next === before) return undefined;
      this.#put(index, next);
      this.#byOwner = byOwner(this.#now.files);
      this.#stale = this.#staleMark();
      this.#notices.replaced(next, this.#now);
      this.#look();
      this.#onChange();
      return undefined;
    } catch (error) {
      return () => {
        const now = this.#now.files[index];
        if (now?.file === before.file) this.#put(index, { ...now, mark: '', problem: problemOf(error) });
        this.#look();
      };
    }
  }

  #put(index: number, next: ListFile): void {
    this.#now = { ...this.#now, files: this.#now.files.with(index, next) };
  }

  #staleMark(): string {
    const now = this.#clock.now();
    return this.#now.files.flatMap(({ lists }) => lists.map((held) => (this.#endOf(held) <= now ? '1' : '0'))).join('');
  }

  #look(): void {
    this.#notices.look(this.#now);
    const stale = this.#staleMark();
    if (stale === this.#stale) return;
    this.#stale = stale;
    this.#onChange();
  }
}

/**
 * Reads every list, and finds whose it is among the authorities. Throws an OperatorError for the first that cannot be used, unless
 * `before`, what this takes the place of, has that file: then its list stays.
 */
export async function prepareRevocation(
  options: RevocationOptions,
  authorities: readonly X509Certificate[],
  before?: PreparedRevocation,
): Promise<PreparedRevocation> {
  const files: ListFile[] = [];
  for (const file of options.files) {
    const old = before?.files.find((one) => one.file === file);
    try {
      files.push(await readListFile(file, authorities, old));
    } catch (error) {
      if (!old || !(error instanceof OperatorError)) throw error;
      files.push({ ...old, mark: '', problem: problemOf(error) });
    }
  }
  return { options, authorities, files };
}

function problemOf(error: unknown): NonNullable<ListFile['problem']> {
  const { message: detail, hint } = error instanceof OperatorError ? error : new OperatorError(String(error));
  return { detail, hint };
}

function byOwner(files: readonly ListFile[]): ReadonlyMap<string, readonly HeldList[]> {
  const lists = files.flatMap((file) => file.lists).filter(({ authority }) => authority);
  return Map.groupBy(lists, ({ authority }) => (authority ? ownerOf(authority) : ''));
}
