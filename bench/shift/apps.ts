/** Authenticator apps of people who have set them up before a gateway starts. */
import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { accountNamed, defaultTenant } from '../../src/core/account.ts';
import { systemClock } from '../../src/core/clock.ts';
import { Enrolments } from '../../src/factors/enrolments.ts';
import { createStore, storeOptions } from '../../src/store/index.ts';
import { quiet } from '../contenders/sessions.ts';

/** Sets one up for each of them, by the factor `app`, in the store of a folder. */
export async function enrolApps(folder: string, names: readonly string[]): Promise<ReadonlyMap<string, TOTP>> {
  const apps = new Map<string, TOTP>();
  if (names.length === 0) return apps;
  const options = storeOptions.parse({ type: 'embedded', path: folder });
  const store = await createStore(options, { clock: systemClock, log: quiet, forgetSealed: false });
  const enrolments = new Enrolments({ store, clock: systemClock });
  for (const name of names) {
    const secret = new Secret({ buffer: new Uint8Array(randomBytes(20)).buffer });
    const data = { secret: secret.base32, digits: 6, period: 30_000, algorithm: 'SHA1', lastStep: 0 };
    const after = { all: [], version: undefined };
    await enrolments.add(accountNamed(name, defaultTenant), { factor: 'app', name: '', data, after });
    apps.set(name, new TOTP({ secret }));
  }
  await store.close();
  return apps;
}
