/** The shape of every importer of `gatehouse import`. */
import type { Command } from '../command.ts';

/** One kind of configuration that can be imported. */
export interface Importer extends Pick<Command, 'help' | 'options' | 'run'> {
  /** What follows `gatehouse import`. */
  readonly usage: string;
}
