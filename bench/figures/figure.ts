/** Figures that are no rows of a load: each measurement is a file of its own, by a name for `--rows`. */
import type { PinnedGround, Say } from '../measure/compare.ts';
import type { Figure } from '../measure/result.ts';
import { significant } from '../measure/statistics.ts';

/** One measurement. */
export interface Measurement {
  readonly name: string;
  readonly title: string;
  run(ground: PinnedGround, terms: MeasurementTerms, say: Say): Promise<Figure[]>;
}

/** How thoroughly. */
export interface MeasurementTerms {
  readonly rounds: number;
  readonly quick: boolean;
}

/** A figure, rounded to what is worth reading. */
export function figure(name: string, title: string, value: number, unit: string, note?: string): Figure {
  return { name, title, value: significant(value), unit, ...(note !== undefined && note !== '' && { note }) };
}
