/** A reload with 1,000 routes while requests come: how long it takes, and what who asks meanwhile notices. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ownFolder } from '../contenders/contender.ts';
import { gatehouse } from '../contenders/gatehouse.ts';
import { manyRoutes } from '../contenders/routes.ts';
import { pinnedTo } from '../machine/cpus.ts';
import { quantile } from '../measure/statistics.ts';
import { figure, type Measurement } from './figure.ts';
import { steadyLoad } from './steady-load.ts';

const entry = path.resolve(import.meta.dirname, '../../src/cli/main.ts');
const reloads = 5;

/** The measurement. */
export const reload: Measurement = {
  name: 'reload',
  title: 'reload with 1,000 routes under load',
  run: async (ground, _terms, say) => {
    const own = { ...ground, folder: ownFolder(ground, 'reload') };
    const routes = manyRoutes(1000, ground.upstream);
    const gateway = await gatehouse(own, { name: 'gatehouse', title: 'Gatehouse', routes });
    try {
      const load = { perSecond: 500, path: '/page' };
      await steadyLoad(gateway, { ...load, perSecond: 2000, seconds: 4 });
      const calm = await steadyLoad(gateway, { ...load, seconds: 5 });
      const seconds: number[] = [];
      // An answer that is not 200 throws.
      const [during] = await Promise.all([
        steadyLoad(gateway, { ...load, seconds: 3 * reloads }),
        (async () => {
          for (let index = 0; index < reloads; index += 1) {
            await delay(1000);
            const startedAt = performance.now();
            await command(['reload', '--config', gateway.file], ground.cpus.load);
            seconds.push((performance.now() - startedAt) / 1000);
          }
        })(),
      ]);
      say(`reload: ${seconds.map((second) => second.toFixed(2)).join(', ')} s`);
      return [
        figure(
          'reload-seconds',
          'a reload with 1,000 routes, with the command itself',
          quantile(seconds, 0.5),
          's',
          `${reloads} of them`,
        ),
        figure(
          'reload-p99',
          'requests during five reloads, p99',
          quantile(during, 0.99),
          'ms',
          `${quantile(calm, 0.99).toFixed(2)} ms without; none failed`,
        ),
        figure(
          'reload-longest',
          'requests during five reloads, the longest',
          Math.max(...during),
          'ms',
          `${Math.max(...calm).toFixed(1)} ms without`,
        ),
      ];
    } finally {
      await gateway.end();
    }
  },
};

async function command(words: readonly string[], cpu: number): Promise<void> {
  const [taskset = '', ...pinned] = pinnedTo(cpu);
  const child = spawn(taskset, [...pinned, process.execPath, entry, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part) => {
    said += String(part);
  });
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(`gatehouse ${words[0]}: ${said}`);
}
