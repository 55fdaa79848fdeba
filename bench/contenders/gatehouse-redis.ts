/** The gateway with its store in a Redis of its own, which runs beside it and is no part of its cost. */
import { sealKeyFile, startRedis } from '../../test/support/servers/redis.ts';
import { type Contender, type Ground, ownFolder } from './contender.ts';
import { gatehouse } from './gatehouse.ts';
import { Scope } from './scope.ts';
import { redisStore } from './sessions.ts';

/** Starts both. */
export async function gatehouseRedis(ground: Ground): Promise<Contender> {
  const scope = new Scope();
  try {
    const { url } = await startRedis(scope.context, ['maxmemory-policy noeviction']);
    const file = sealKeyFile(ownFolder(ground, 'redis-keys'));
    const gateway = await gatehouse(ground, {
      name: 'gatehouse-redis',
      title: 'Gatehouse, the store in Redis',
      store: () => redisStore(url, file),
      more: { session: { store: { type: 'redis', url, sealKey: { file } } } },
    });
    scope.after(gateway.end);
    return { ...gateway, end: () => scope.end() };
  } catch (error) {
    await scope.end();
    throw error;
  }
}
