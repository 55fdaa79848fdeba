/** What a run leaves behind: rounds of rows beside their reference, figures of other kinds, and what they were measured on. */
import type { Machine } from '../machine/machine.ts';

/** One round of one contender. */
export interface Round {
  readonly perSecond: number;
  /** CPU microseconds a request, all threads of all processes of the contender. */
  readonly cpuMicros: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  /** Shares of the two CPUs that others took meanwhile. */
  readonly others: { readonly proxy: number; readonly load: number };
  readonly disturbed: boolean;
}

/** One contender under one load. */
export interface Row {
  readonly contender: string;
  readonly title: string;
  readonly rounds: readonly Round[];
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  /** Medians of the rounds' ratios to the reference: its CPU time by this one's, this one's requests a second by its. */
  readonly ofReference: { readonly cpu: number; readonly perSecond: number };
  /** Megabytes: after the start, after the warm-up, after the last round. */
  readonly memory: { readonly start: number; readonly warm: number; readonly end: number };
  /** Answers that were looked at while it was timed; all were right. */
  readonly verified: number;
  readonly warmUpRequests: number;
}

/** Rows under one load, taken in turns. */
export interface RowSet {
  readonly name: string;
  readonly title: string;
  /** The contender that the others are divided by. */
  readonly reference: string;
  readonly rows: readonly Row[];
  /** Asked directly, without any proxy: what the side of the load can do. */
  readonly loadBound?: { readonly perSecond: number; readonly cpuMicrosOfUpstream: number };
}

/** A figure that is no row of a load. */
export interface Figure {
  readonly name: string;
  readonly title: string;
  readonly value: number;
  readonly unit: string;
  readonly note?: string;
}

/** A contender that did not take part. */
export interface LeftOut {
  readonly contender: string;
  readonly why: string;
  /** True where it gave a wrong answer, and was not only missing. */
  readonly isWrong?: boolean;
}

/** All of a run. */
export interface Result {
  readonly made: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly terms: {
    readonly rounds: number;
    readonly seconds: number;
    readonly warmUp: number;
    readonly users: number;
    readonly connections: number;
    readonly quick: boolean;
  };
  readonly sets: readonly RowSet[];
  readonly figures: readonly Figure[];
  readonly leftOut: readonly LeftOut[];
  /** The share of rounds in which others took more of a CPU than a quiet machine allows. */
  readonly disturbedShare: number;
}
