/** What operators are shown of a gateway of several processes: one machine, whichever process knows the parts. */
import type { AdminParts } from '../admin/listener.ts';
import type { Gateway } from '../gateway/build.ts';
import type { WorkerPool } from './worker-pool.ts';

/** The parts of the admin listener that ask the workers; the rest is in the store, and the same for everybody. */
export function machineView(pool: WorkerPool, own: AdminParts, gateway: () => Gateway): Partial<AdminParts> {
  return {
    metrics: { contentType: own.metrics.contentType, render: () => pool.renderMetrics() },
    workers: () => pool.counts,
    liveConnections: async (sessions) => {
      const answers = await pool.ask<'live'>({ asked: 'live', sessions });
      return sessions.map((_, index) => answers.reduce((sum, [, live]) => sum + (live[index] ?? 0), 0));
    },
    providerFigures: async () => {
      const answers = await pool.ask<'figures'>({ asked: 'figures' });
      return gateway().providers.figures(answers.flatMap(([, known]) => known));
    },
    records: () => {
      const { to } = gateway().document.audit;
      return to === 'stdout' || to === 'off' ? newestOf(pool, 'records', own.records()) : own.records();
    },
    warnings: () => newestOf(pool, 'warnings', own.warnings()),
  };
}

/** The lines that all processes remember, the newest first. */
async function* newestOf(
  pool: WorkerPool,
  of: 'records' | 'warnings',
  own: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<string, void, undefined> {
  const answers = await pool.ask<'lines'>({ asked: 'lines', of });
  const lines = [await Array.fromAsync(own), ...answers.map(([, lines]) => lines)].flat();
  const timed = lines.map((line) => ({ line, time: /"time":"([^"]+)"/.exec(line)?.[1] ?? '' }));
  // Each list is in order already, and the sort keeps that within a millisecond.
  yield* timed.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0)).map(({ line }) => line);
}
