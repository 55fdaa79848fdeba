/** All measurements that are no rows of a load. */
import { factors } from './factors.ts';
import type { Measurement } from './figure.ts';
import { latency } from './latency.ts';
import { logins } from './logins.ts';
import { machines } from './machines.ts';
import { mailCodes } from './mail-codes.ts';
import { reload } from './reload.ts';
import { shift, shiftKeys, shiftTotp } from './shift.ts';
import { transfer } from './transfer.ts';
import { websockets } from './websockets.ts';

/** In the order of a run; those that need all CPUs come last. */
export const measurements: readonly Measurement[] = [
  latency,
  transfer,
  websockets,
  reload,
  machines,
  logins,
  factors,
  mailCodes,
  shift,
  shiftTotp,
  shiftKeys,
];
