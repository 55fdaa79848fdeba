/** The shift of `npm run bench shift` as figures of a whole run. */
import { pinProcess } from '../machine/cpus.ts';
import { runShift } from '../shift/shift.ts';
import type { Measurement } from './figure.ts';

/** The measurement: on all CPUs, as a machine would have it. */
export const shift: Measurement = {
  name: 'shift',
  title: 'a shift begins: 5,000 logins in a minute, the directory away for 20 s of it',
  run: async ({ cpus }, { quick }, say) => {
    const size = quick ? { agents: 200, seconds: 10, outage: 3 } : { agents: 5000, seconds: 60, outage: 20 };
    pinProcess(process.pid, cpus.proxy, cpus.load, cpus.upstream);
    try {
      return await runShift({ ...size, curve: 'even', pollSeconds: 2, jitterSeconds: 5, workers: 1, totp: false }, say);
    } finally {
      pinProcess(process.pid, cpus.load);
    }
  },
};
