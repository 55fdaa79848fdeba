/** What a head of the lane says: its header lines, which may be kept and come again, and the request line before them. */
import { HeaderLines } from '../../core/request-head.ts';

/** Header lines, and what of them the connection has to know. */
export class LaneLines {
  /** Bytes of the body, which follow the head. */
  readonly bodyLength: number;
  /** False: the client wants no further request on the connection. */
  readonly keepsAlive: boolean;
  /** True: they bring credentials of their own. */
  readonly hasCredentials: boolean;
  #block: string;
  #headers: HeaderLines | undefined;

  constructor(read: {
    readonly block: string;
    readonly bodyLength: number;
    readonly keepsAlive: boolean;
    readonly hasCredentials: boolean;
  }) {
    this.#block = read.block;
    this.bodyLength = read.bodyLength;
    this.keepsAlive = read.keepsAlive;
    this.hasCredentials = read.hasCredentials;
  }

  /** The text that they were read from. */
  get block(): string {
    return this.#block;
  }

  get headers(): HeaderLines {
    this.#headers ??= HeaderLines.fromText(this.#block);
    // They are in the lane's grammar, which is narrower.
    return this.#headers as HeaderLines;
  }

  /** Makes them small, for keeping: they are read anew where somebody asks for one. Gives the block as a text of its own. */
  keep(): string {
    this.#block = Buffer.from(this.#block, 'latin1').toString('latin1');
    this.#headers = undefined;
    return this.#block;
  }
}

/** A request whose end is known from its head. */
export class LaneHead {
  readonly method: string;
  /** The target of the request line, beginning with a slash. */
  readonly target: string;
  /** The same object for the same lines, where they are kept. */
  readonly lines: LaneLines;
  /** All of the head, with its empty line; Latin-1. */
  readonly text: string;

  constructor(read: Pick<LaneHead, 'method' | 'target' | 'lines' | 'text'>) {
    this.method = read.method;
    this.target = read.target;
    this.lines = read.lines;
    this.text = read.text;
  }

  get headers(): HeaderLines {
    return this.lines.headers;
  }

  get bodyLength(): number {
    return this.lines.bodyLength;
  }

  get keepsAlive(): boolean {
    return this.lines.keepsAlive;
  }
}
