/** The shift of `npm run bench shift` as figures of a whole run: by password alone while the directory is away, and with an app. */
import { pinProcess } from '../machine/cpus.ts';
import type { PinnedGround, Say } from '../measure/compare.ts';
import type { Figure } from '../measure/result.ts';
import type { ShiftOptions } from '../shift/options.ts';
import { runShift } from '../shift/shift.ts';
import type { Measurement } from './figure.ts';

const usual = { curve: 'even', pollSeconds: 2, jitterSeconds: 5, workers: 1 } as const;

/** On all CPUs, as a machine would have it. */
async function onAll({ cpus }: PinnedGround, options: ShiftOptions, say: Say): Promise<Figure[]> {
  pinProcess(process.pid, cpus.proxy, cpus.load, cpus.upstream);
  try {
    return await runShift(options, say);
  } finally {
    pinProcess(process.pid, cpus.load);
  }
}

/** The measurement. */
export const shift: Measurement = {
  name: 'shift',
  title: 'a shift begins: 5,000 logins in a minute, the directory away for 20 s of it',
  run: (ground, { quick }, say) => {
    const size = quick ? { agents: 200, seconds: 10, outage: 3 } : { agents: 5000, seconds: 60, outage: 20 };
    return onAll(ground, { ...usual, ...size, totp: false, keys: false }, say);
  },
};

/** The same with a second factor at each login, and a directory that stays. */
function withFactor(
  name: string,
  title: string,
  factor: { readonly totp: boolean; readonly keys: boolean },
): Measurement {
  return {
    name: `shift-${name}`,
    title: `a shift begins with ${title} at each login: 5,000 in a minute`,
    run: async (ground, { quick }, say) => {
      const size = quick ? { agents: 200, seconds: 10, outage: 0 } : { agents: 5000, seconds: 60, outage: 0 };
      const figures = await onAll(ground, { ...usual, ...size, ...factor }, say);
      return figures.map((one) => ({ ...one, name: `${name}-${one.name}`, title: `with ${title}: ${one.title}` }));
    },
  };
}

/** With a code of an app. */
export const shiftTotp = withFactor('totp', 'TOTP', { totp: true, keys: false });
/** With a security key, made of software. */
export const shiftKeys = withFactor('keys', 'a security key', { totp: false, keys: true });
