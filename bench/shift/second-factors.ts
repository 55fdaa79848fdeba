/** Second factors of people who have set them up before a gateway starts, and what they enter by them. */
import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { accountKey, accountNamed, defaultTenant } from '../../src/core/account.ts';
import { systemClock } from '../../src/core/clock.ts';
import { Enrolments } from '../../src/factors/enrolments.ts';
import { judgeRegistration } from '../../src/factors/webauthn/registration.ts';
import { createStore, storeOptions } from '../../src/store/index.ts';
import { SoftwareKey } from '../../test/support/tools/software-key.ts';
import { quiet } from '../contenders/sessions.ts';
import type { Proving } from './agent.ts';

/** What is enrolled for somebody, and how they prove it. */
interface Made {
  readonly data: unknown;
  readonly prove: Proving;
}

/** Sets an app up for each of them, by the factor `app`, in the store of a folder. */
export function enrolApps(folder: string, names: readonly string[]): Promise<ReadonlyMap<string, Proving>> {
  return enrol(folder, names, 'app', async () => {
    const secret = new Secret({ buffer: new Uint8Array(randomBytes(20)).buffer });
    const app = new TOTP({ secret });
    return {
      data: { secret: secret.base32, digits: 6, period: 30_000, algorithm: 'SHA1', lastStep: 0 },
      prove: () => ({ code: app.generate() }),
    };
  });
}

/** Sets a security key up for each of them, by the factor `key`, for a gateway at this origin. */
export function enrolKeys(
  folder: string,
  names: readonly string[],
  origin: string,
): Promise<ReadonlyMap<string, Proving>> {
  const rpId = new URL(origin).hostname;
  const party = {
    ...{ rpId, origin, siteName: 'Bench', timeout: 60_000, attachment: 'cross-platform' as const },
    ...{ userVerification: 'discouraged' as const, takesSynced: true, wantsDiscoverable: false },
  };
  return enrol(folder, names, 'key', async (name) => {
    const key = new SoftwareKey(origin);
    const challenge = randomBytes(32);
    const user = { id: accountKey(accountNamed(name, defaultTenant)) };
    const answer = key.register({ challenge: challenge.toString('base64url'), rp: { id: rpId }, user });
    const made = await judgeRegistration(party, challenge, answer);
    if (made.kind !== 'registered') throw new Error(`a key is not taken: ${made.reason}`);
    return { data: made.credential, prove: (page) => ({ answer: key.answer(optionsIn(page)) }) };
  });
}

function optionsIn(page: string): Parameters<SoftwareKey['answer']>[0] {
  const [, given = '{}'] = /data-options="([^"]*)"/.exec(page) ?? [];
  return JSON.parse(given.replaceAll('&quot;', '"'));
}

async function enrol(
  folder: string,
  names: readonly string[],
  factor: string,
  make: (name: string) => Promise<Made>,
): Promise<ReadonlyMap<string, Proving>> {
  const proving = new Map<string, Proving>();
  if (names.length === 0) return proving;
  const options = storeOptions.parse({ type: 'embedded', path: folder });
  const store = await createStore(options, { clock: systemClock, log: quiet, forgetSealed: false });
  const enrolments = new Enrolments({ store, clock: systemClock });
  for (const name of names) {
    const { data, prove } = await make(name);
    const after = { all: [], version: undefined };
    await enrolments.add(accountNamed(name, defaultTenant), { factor, name: '', data, after });
    proving.set(name, prove);
  }
  await store.close();
  return proving;
}
