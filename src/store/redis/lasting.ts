/** What a server has to promise that keeps what people have set up: whatever it drops or forgets would look as if it had never been there. */
import type { Redis } from 'ioredis';
import { Failure } from '../../core/failure.ts';
import { openClient, readInfo, type ServerInfo } from './client.ts';
import { placeOf, type RedisStoreOptions } from './options.ts';

/** Throws a Failure where a server drops entries, or keeps none beyond its end. */
export async function assertLasting(options: RedisStoreOptions): Promise<void> {
  const place = placeOf(options);
  const client = await openClient(options);
  try {
    assertNoEviction(await readInfo(client, place), place);
    assertSaved(await savingOf(client), place);
  } finally {
    client.disconnect();
  }
}

/** Throws a Failure for any policy but `noeviction`. */
export function assertNoEviction({ evicts = 'noeviction' }: ServerInfo, place: string): void {
  if (evicts === 'noeviction') return;
  throw new Failure(
    'store-away',
    `store ${place}: ${evicts} may drop second factors, and whoever has none that is known may set up another`,
    { answer: 'refused', hint: 'set maxmemory-policy noeviction on the server' },
  );
}

/** Throws a Failure where nothing is saved; whoever may not ask is told nothing. */
export function assertSaved(saving: Saving, place: string): void {
  if (saving !== 'nothing') return;
  throw new Failure(
    'store-away',
    `store ${place}: nothing is saved, so that second factors are gone when the server ends`,
    { answer: 'refused', hint: 'set appendonly yes on the server' },
  );
}

/** What a server saves: every write, at the times of its rules, nothing; or it does not tell this user. */
type Saving = 'all' | 'nothing' | 'untold' | { readonly rules: string };

/** Asks it. */
export async function savingOf(client: Redis): Promise<Saving> {
  const said = async (name: string): Promise<string | undefined> => {
    const answer = await client.config('GET', name).catch(() => undefined);
    return Array.isArray(answer) ? String(answer[1] ?? '') : undefined;
  };
  const [appendOnly, rules] = [await said('appendonly'), await said('save')];
  if (appendOnly === undefined || rules === undefined) return 'untold';
  if (appendOnly === 'yes') return 'all';
  return rules === '' ? 'nothing' : { rules };
}
