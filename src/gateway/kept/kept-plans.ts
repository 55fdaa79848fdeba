/**
 * Where decisions are kept: with the lines of a head that comes again byte by byte, or, for heads that are never the same, with the lines
 * that a decision may hang on.
 */
import { KeptMap } from '../../core/kept-map.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import type { LaneLines } from '../../edge/lane/lines.ts';
import { Sightings } from '../../edge/lane/sightings.ts';
import { type FreeLines, isTraceName } from './free-lines.ts';

/** Bytes of the lines without the free ones that are kept: of heads that sessions have vouched for, and of all others. */
const [maxVouched, maxOthers] = [16 * 1024 * 1024, 4 * 1024 * 1024];
/** What is decided on them takes about as much again, and some objects. */
const overhead = 2048;
/** Longer ones are decided on each time. */
const maxCore = 4096;
/** Ways in which the same lines are kept: methods, routes, connections. */
const maxPlans = 8;

/** What was decided for lines, and those of a head that nothing hangs on. */
interface Known<Plan> {
  readonly plans: readonly Plan[];
  readonly free: string;
}

/** Where a decision goes that is to be kept. */
interface Shelf<Plan> {
  /** Whether lines of a name are each head's own, and no part of the decision. */
  readonly isFree: (name: string) => boolean;
  /** True: a valid trace is the head's own, too. */
  readonly hasTrace: boolean;
  /** Keeps one in the place of those that are replaced by it. */
  put(plan: Plan, isReplaced: (one: Plan) => boolean): void;
}

/** The decisions of one configuration. */
export class KeptPlans<Plan> {
  readonly #freeLines: FreeLines;
  readonly #takesTrace: boolean;
  readonly #byLines = new WeakMap<LaneLines, readonly Plan[]>();
  readonly #vouched = new KeptMap<readonly Plan[]>(maxVouched);
  /** Apart, so that a flood of strangers' heads displaces nobody's. */
  readonly #others = new KeptMap<readonly Plan[]>(maxOthers);
  readonly #sightings = new Sightings();

  /** `takesTrace` where a trace that goes on is no part of what is decided. */
  constructor(freeLines: FreeLines, { takesTrace }: { readonly takesTrace: boolean }) {
    this.#freeLines = freeLines;
    this.#takesTrace = takesTrace;
  }

  /** What was decided for such lines. */
  find(lines: LaneLines): Known<Plan> | undefined {
    const plans = this.#byLines.get(lines);
    if (plans) return { plans, free: '' };
    const split = this.#split(lines);
    const ofCore = split && (this.#vouched.get(split.core) ?? this.#others.get(split.core));
    return ofCore && { plans: ofCore, free: split.free };
  }

  /** Where what is decided for a head goes, `isVouched` where a live session speaks for it; undefined where it is none to keep. */
  shelfFor(exchange: LaneExchange, isVouched: boolean): Shelf<Plan> | undefined {
    const { lines } = exchange.head;
    if (exchange.keepReading(isVouched))
      return {
        isFree: () => false,
        hasTrace: false,
        put: (plan, isReplaced) => this.#byLines.set(lines, joined(plan, this.#byLines.get(lines), isReplaced)),
      };
    const split = this.#split(lines);
    if (!split || !this.#sightings.isAnother(split.core)) return undefined;
    const kept = isVouched ? this.#vouched : this.#others;
    // A text of its own: a part of another would keep all of that.
    const core = Buffer.from(split.core, 'latin1').toString('latin1');
    return {
      isFree: (name) => this.#freeLines.isFree(name) || (split.hasTrace && isTraceName(name)),
      hasTrace: split.hasTrace,
      put: (plan, isReplaced) => kept.set(core, joined(plan, kept.get(core), isReplaced), core.length * 2 + overhead),
    };
  }

  #split({ block, hasCredentials }: LaneLines): ReturnType<FreeLines['split']> {
    const split = hasCredentials ? undefined : this.#freeLines.split(block, this.#takesTrace);
    return split && split.core.length <= maxCore ? split : undefined;
  }
}

function joined<Plan>(plan: Plan, known: readonly Plan[] = [], isReplaced: (one: Plan) => boolean): readonly Plan[] {
  return [plan, ...known.filter((one) => !isReplaced(one)).slice(0, maxPlans - 1)];
}
