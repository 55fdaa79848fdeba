/**
 * Whether the store has lost what was set up: it bears a mark, and the gateway keeps its id beside the sealing key. A store without
 * it, or with another one, was emptied, cut back or restored, and accounts that had a factor look as if they never had one.
 */
import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Store } from '../core/store.ts';

const key = 'enrolment-mark:1';
const idForm = /^[\w-]{22}$/;
const ownerOnly = 0o600;

/** What it works with; without a file, as with a store in memory, nothing is ever lost that was meant to stay. */
interface MarkParts {
  readonly store: Store;
  readonly file: string | undefined;
  readonly log: Log;
}

/** The mark. Every method throws when the store is out of reach, or the file cannot be used. */
export class EnrolmentMark {
  readonly #parts: MarkParts;
  #wasLost = false;
  #isTold = false;

  constructor(parts: MarkParts) {
    this.#parts = parts;
  }

  /** Looks at the start, so that a store is marked before it can be lost. A store that takes nothing keeps no gateway from starting. */
  async prepare(): Promise<void> {
    try {
      await this.isLost();
    } catch (error) {
      if (error instanceof OperatorError) throw error;
      this.#parts.log.warn({ error }, 'the mark of the enrolments could not be looked at');
    }
  }

  /** Whether enrolments may be missing. The first gateway of a store makes the mark, further ones take it over. */
  async isLost(): Promise<boolean> {
    const { store, file, log } = this.#parts;
    if (file === undefined) return false;
    const own = await readMark(file);
    if (own === undefined) {
      await this.#adopt(file);
      return false;
    }
    const isLost = (await store.get(key))?.value !== own;
    if (isLost && !this.#wasLost)
      log.warn(
        { file, hint: 'bring the store back, or go on without what is gone: gatehouse factors accept-loss' },
        'the store is not the one in which second factors were set up: the first factor of an account takes an enrolment code',
      );
    this.#wasLost = isLost;
    return isLost;
  }

  /** What was seen last, and another look for the next time. */
  glance(): boolean {
    this.isLost().catch(() => undefined);
    return this.#wasLost;
  }

  /** The operator knows: from here on who has nothing set up has nothing. False where nothing was lost. */
  async accept(): Promise<boolean> {
    const { store, file } = this.#parts;
    if (file === undefined || !(await this.isLost())) return false;
    const own = await readMark(file);
    // Where another gateway has put a mark since, that one counts for all.
    await store.replace(key, undefined, own ?? newId());
    await writeMark(file, await this.#inStore());
    this.#wasLost = false;
    return true;
  }

  /** Keys are often where nothing can be written: such a gateway goes on, and sees no loss. */
  async #adopt(file: string): Promise<void> {
    const id = await this.#inStore();
    try {
      await writeMark(file, id);
    } catch (error) {
      if (!this.#isTold) this.#parts.log.warn({ error }, 'a loss of second factors would not be seen');
      this.#isTold = true;
    }
  }

  async #inStore(): Promise<string> {
    const { store } = this.#parts;
    if (!(await store.get(key))) await store.replace(key, undefined, newId());
    const stored = await store.get(key);
    if (!stored) throw new Error('the mark of the enrolments could not be stored');
    return stored.value;
  }
}

function newId(): string {
  return randomBytes(16).toString('base64url');
}

async function readMark(file: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim();
    if (idForm.test(text)) return text;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw unusable(file, error);
  }
  throw unusable(file, new Error('it holds something else'));
}

/** Whole or not at all: half a mark would pass for a loss. */
async function writeMark(file: string, id: string): Promise<void> {
  const beside = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(beside, `${id}\n`, { mode: ownerOnly, flush: true });
    await rename(beside, file);
  } catch (error) {
    throw unusable(file, error);
  }
}

function unusable(file: string, cause: unknown): OperatorError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new OperatorError(
    `the mark of the enrolments ${file} cannot be used: ${why}`,
    'make it readable and writable for the user that runs the gateway; where it is damaged, delete it and look first whether enrolments are there',
    cause,
  );
}
