/**
 * Names of logins under way: what travels to the identity provider and back as `state`. Sealed in them are the browser that
 * began the login and where it leads, so that a login whose flow is gone can begin anew towards the same page, and one of
 * another browser is known for what it is.
 */
import { randomBytes } from 'node:crypto';
import { SealKey } from '../core/seal.ts';
import type { Browsers } from './browser.ts';

/** What a name says. `restarts` is how often the trip had to begin anew. */
export type FlowState =
  /** There is no name. */
  | { readonly kind: 'none'; readonly restarts: 0 }
  /** It was never one of ours. */
  | { readonly kind: 'malformed'; readonly restarts: 0 }
  /** It has our form, and was sealed with no key that we have. */
  | { readonly kind: 'unknown'; readonly restarts: number }
  | {
      readonly kind: 'ours';
      readonly restarts: number;
      /** What its flow is kept by. */
      readonly id: string;
      /** A mark of the browser, to be compared with `markOf`. */
      readonly browser: string;
      readonly returnTo: string;
    };

const purpose = 'name of a flow';
const markLength = 16;
const maxRestarts = 9;
/** Identity providers take a `state` of some kilobytes; a page with a longer address is not remembered. */
const maxReturn = 1024;
const form = /^([\w-]{22})(\d)\.([\w-]{40,1500})$/;

/** Makes and reads names. */
export class FlowStates {
  readonly #browsers: Browsers;
  readonly #key: SealKey;

  constructor(browsers: Browsers) {
    this.#browsers = browsers;
    this.#key = new SealKey(browsers.deriveKey(purpose));
  }

  /**
   * A name for a flow that is about to begin, and the id to keep the flow by. The count of restarts comes back with the
   * browser, even one that keeps no cookies.
   */
  make(browser: string, returnTo: string, restarts: number): { readonly id: string; readonly name: string } {
    const id = randomBytes(16).toString('base64url');
    const head = id + Math.min(restarts, maxRestarts);
    const said = this.markOf(browser) + (returnTo.length > maxReturn ? '/' : returnTo);
    return { id, name: `${head}.${this.#key.seal(said, head).toString('base64url')}` };
  }

  /** Reads what has come back. */
  read(name: string | undefined): FlowState {
    if (name === undefined) return { kind: 'none', restarts: 0 };
    const [, id, count, sealed] = form.exec(name) ?? [];
    if (id === undefined || count === undefined || sealed === undefined) return { kind: 'malformed', restarts: 0 };
    const restarts = Number(count);
    const said = this.#key.open(Buffer.from(sealed, 'base64url'), id + count);
    if (said === undefined) return { kind: 'unknown', restarts };
    return { kind: 'ours', restarts, id, browser: said.slice(0, markLength), returnTo: said.slice(markLength) };
  }

  /** What stands for a browser in names; from it nobody can tell the browser's cookie. */
  markOf(browser: string): string {
    return this.#browsers.token(browser, purpose).slice(0, markLength);
  }
}
