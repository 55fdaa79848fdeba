/**
 * Header lines that nothing hangs on: the gateway does not read them, and every upstream gets them as they came. Heads that differ
 * in such lines alone are decided on alike, and what was decided for one is sent for the other with its own lines.
 */
import { holdsApiToken } from '../../core/api-token.ts';
import { isRead } from '../../core/read-names.ts';
import { countsOnce } from '../../core/request-head.ts';
import type { HeaderComposer } from '../../proxy/headers.ts';
import { parseTraceparent } from '../../telemetry/trace.ts';

/** A block of header lines in two parts, each in its order. */
interface SplitLines {
  /** What a decision may hang on. */
  readonly core: string;
  readonly free: string;
  /** True: the client's trace is among the free lines, since it is valid and goes on as it came; `core` says that there is one. */
  readonly hasTrace: boolean;
}

const trace = 'traceparent';

const maxKnown = 1024;

/** Which lines are free in one configuration. */
export class FreeLines {
  readonly #composer: Pick<HeaderComposer, 'leavesAlone'>;
  readonly #known = new Map<string, boolean>();

  constructor(composer: Pick<HeaderComposer, 'leavesAlone'>) {
    this.#composer = composer;
  }

  /** Whether lines of a name are free, however it is spelt. Where several of a name are no list, all of them have to be seen together. */
  isFree(spelling: string): boolean {
    const known = this.#known.get(spelling);
    if (known !== undefined) return known;
    const name = spelling.toLowerCase();
    const isFree = !isRead(name) && !countsOnce(name) && this.#composer.leavesAlone(name);
    if (this.#known.size < maxKnown) this.#known.set(spelling, isFree);
    return isFree;
  }

  /**
   * Takes lines apart that each end in CRLF, `takesTrace` with a valid trace among the free ones; undefined where one that is free by
   * its name has to be looked at all the same.
   */
  split(block: string, takesTrace: boolean): SplitLines | undefined {
    let [core, free] = ['', ''];
    let hasTrace = false;
    let from = 0;
    for (let start = 0; start < block.length; ) {
      const next = block.indexOf('\r\n', start) + 2;
      const colon = block.indexOf(':', start);
      const name = block.slice(start, colon);
      const isTrace = takesTrace && isTraceName(name);
      // Of several none goes on.
      if (isTrace && hasTrace) return undefined;
      hasTrace ||= isTrace && parseTraceparent(valueIn(block, colon, next)) !== undefined;
      if (this.isFree(name) || (isTrace && hasTrace)) {
        core += block.slice(from, start);
        // Without a colon it is no line of a client's.
        if (isTrace) core += `${trace}\r\n`;
        // One blank, as all lines are written.
        if (block[colon + 1] === ' ') free += block.slice(start, next);
        else free += `${name}: ${block.slice(colon + 1, next)}`;
        from = next;
      }
      start = next;
    }
    core += block.slice(from);
    // A token of ours goes to no upstream, under whatever name.
    return holdsApiToken(free) ? undefined : { core, free, hasTrace };
  }
}

/** The value of a line in the lane's grammar: behind one blank or none. */
function valueIn(block: string, colon: number, next: number): string {
  return block.slice(block[colon + 1] === ' ' ? colon + 2 : colon + 1, next - 2);
}

/** Whether lines of a name are the trace, however it is spelt. */
export function isTraceName(name: string): boolean {
  return name.length === trace.length && name.toLowerCase() === trace;
}
