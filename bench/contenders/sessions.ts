/** Users signed in before a gateway starts: sessions as a login makes them, only the password check is left out. */
import { systemClock } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import type { Proof } from '../../src/core/proof.ts';
import type { Session } from '../../src/core/session.ts';
import type { Store } from '../../src/core/store.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { openRedisStore } from '../../src/store/redis/open.ts';
import { beginSession } from '../../test/support/scenes/begin-session.ts';
import { redisStoreOptions } from '../../test/support/servers/redis.ts';
import type { User } from './contender.ts';

/** Says nothing. */
export const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet };

/** A store in a folder. */
export async function embeddedStore(folder: string): Promise<Store> {
  return new EmbeddedStore(folder, { clock: systemClock, log: quiet });
}

/** A store in Redis, sealed by the keys of a file. */
export function redisStore(url: string, file: string): Promise<Store> {
  return openRedisStore(redisStoreOptions(url, file), { clock: systemClock, log: quiet, forgetSealed: false });
}

/** Signs so many in, and closes the store; with a factor of that name each has proved it too. */
export async function signIn(store: Store, count: number, tls: boolean, factor?: string): Promise<User[]> {
  const sessions = new Sessions({ store, clock: systemClock, log: quiet, idle: 3_600_000, lifetime: 7_200_000 });
  const users: User[] = [];
  for (let index = 0; index < count; index += 1) {
    const subject = `user${index}`;
    const attributes = { name: [`User ${index}`], email: [`${subject}@example.com`], groups: ['agents'] };
    const begun = await beginSession(sessions, {
      tenant: 'default',
      assertion: { realm: 'local', subject, amr: ['pwd'], attributes },
      provider: 'local',
      client: { address: '127.0.0.1', userAgent: 'bench' },
    });
    const token = factor === undefined ? begun.token : await raised(sessions, begun.session, factor);
    users.push({ name: subject, line: `Cookie: ${tls ? '__Host-' : ''}gatehouse=${token}` });
  }
  await sessions.close();
  await store.close();
  return users;
}

/** The token of a session that has a second proof. */
async function raised(sessions: Sessions, session: Session, by: string): Promise<string> {
  const proof: Proof = { step: 'second', by, realm: session.tenant, amr: ['otp'], at: systemClock.now() };
  const { token } = { token: undefined, ...(await sessions.raise(session, proof)) };
  if (token === undefined) throw new Error('a session could not be raised');
  return token;
}
