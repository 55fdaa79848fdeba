/** 200 MB down and up: how fast, and what it takes of memory. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Contender, ownFolder } from '../contenders/contender.ts';
import { gatehouse } from '../contenders/gatehouse.ts';
import { nginxPlain } from '../contenders/nginx.ts';
import { pinnedTo } from '../machine/cpus.ts';
import { memoryBytes } from '../machine/processes.ts';
import type { Figure } from '../measure/result.ts';
import { listens } from '../measure/verify.ts';
import { startDesk } from '../shift/ground.ts';
import { figure, type Measurement } from './figure.ts';

const bytes = 200 * 1024 ** 2;

/** The measurement. */
export const transfer: Measurement = {
  name: 'transfer',
  title: '200 MB down and up',
  run: async (ground, _terms, say) => {
    const folder = ownFolder(ground, 'transfer');
    const file = path.join(folder, 'upload');
    writeFileSync(file, Buffer.alloc(bytes, 'u'));
    const desk = await startDesk(ground.cpus.upstream);
    const own = { ...ground, folder, upstream: desk.port };
    const contenders = [
      await nginxPlain(own),
      await gatehouse(own, { name: 'gatehouse', title: 'Gatehouse', users: 1 }),
    ];
    const figures: Figure[] = [];
    try {
      for (const contender of contenders) {
        await listens(contender);
        for (const way of ['down', 'up'] as const) {
          const { seconds, grown } = await carry(contender, way, file, ground.cpus.load);
          say(
            `transfer: ${contender.name} ${way} in ${seconds.toFixed(2)} s, ${Math.round(grown / 1024 ** 2)} MB more`,
          );
          const title = `200 MB ${way}, ${contender.title}`;
          const note = `${Math.round(grown / 1024 ** 2)} MB of memory more at the most`;
          figures.push(figure(`transfer-${contender.name}-${way}`, title, bytes / 1024 ** 2 / seconds, 'MB/s', note));
        }
      }
      return figures;
    } finally {
      for (const contender of contenders) await contender.end();
      await desk.end();
    }
  },
};

/** By curl, while memory is looked at. */
async function carry({ url, users, roots, title }: Contender, way: 'down' | 'up', file: string, cpu: number) {
  const line = ['-H', users[0]?.line ?? ''];
  const what =
    way === 'down'
      ? [`${url}/file?bytes=${bytes}`, '-o', '/dev/null']
      : [`${url}/upload`, '-T', file, '-X', 'POST', '-H', 'Expect:'];
  const [taskset = '', ...words] = pinnedTo(cpu);
  const before = memoryBytes(roots);
  let most = before;
  const look = setInterval(() => {
    most = Math.max(most, memoryBytes(roots));
  }, 20);
  const startedAt = performance.now();
  const child = spawn(taskset, [
    ...words,
    'curl',
    '-sS',
    '--fail',
    '-w',
    '%{http_code} %{size_download} %{size_upload}',
    ...line,
    ...what,
  ]);
  let said = '';
  child.stdout.on('data', (part) => {
    said += String(part);
  });
  const [status] = await once(child, 'close');
  clearInterval(look);
  if (status !== 0 || !said.includes('200 ') || !said.includes(String(bytes)))
    throw new Error(`${title}: curl says ${said} (${status})`);
  return { seconds: (performance.now() - startedAt) / 1000, grown: most - before };
}
