/** What a request waits longer than behind nginx, at 1,000 a second. */

import { ownFolder } from '../contenders/contender.ts';
import { gatehouse } from '../contenders/gatehouse.ts';
import { nginxPlain } from '../contenders/nginx.ts';
import { median, quantile } from '../measure/statistics.ts';
import { listens } from '../measure/verify.ts';
import { figure, type Measurement } from './figure.ts';
import { steadyLoad } from './steady-load.ts';

const perSecond = 1000;

/** The measurement. */
export const latency: Measurement = {
  name: 'latency',
  title: 'added latency at 1,000 requests a second over nginx',
  run: async (ground, { rounds, quick }, say) => {
    const own = { ...ground, folder: ownFolder(ground, 'latency') };
    const contenders = [await nginxPlain(own), await gatehouse(own, { name: 'gatehouse', title: 'Gatehouse' })];
    try {
      const load = { perSecond, path: '/page' };
      for (const contender of contenders) {
        await listens(contender);
        await steadyLoad(contender, { ...load, perSecond: 4000, seconds: quick ? 1 : 8 });
      }
      const times: { p50: number[]; p99: number[] }[] = contenders.map(() => ({ p50: [], p99: [] }));
      for (let round = 0; round < rounds; round += 1)
        for (const [index, contender] of contenders.entries()) {
          const took = await steadyLoad(contender, { ...load, seconds: quick ? 1 : 3 });
          times[index]?.p50.push(quantile(took, 0.5));
          times[index]?.p99.push(quantile(took, 0.99));
          say(
            `latency ${round + 1}: ${contender.name} p50 ${quantile(took, 0.5).toFixed(3)} ms, p99 ${quantile(took, 0.99).toFixed(3)} ms`,
          );
        }
      const [nginx, gate] = times.map(({ p50, p99 }) => ({ p50: median(p50), p99: median(p99) }));
      if (!nginx || !gate) return [];
      return [
        figure(
          'added-p50',
          'added at 1,000 requests a second, p50',
          gate.p50 - nginx.p50,
          'ms',
          `nginx ${nginx.p50.toFixed(3)} ms`,
        ),
        figure(
          'added-p99',
          'added at 1,000 requests a second, p99',
          gate.p99 - nginx.p99,
          'ms',
          `nginx ${nginx.p99.toFixed(3)} ms`,
        ),
      ];
    } finally {
      for (const contender of contenders) await contender.end();
    }
  },
};
