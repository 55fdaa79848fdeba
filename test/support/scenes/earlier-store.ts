/** A store that an earlier version of the gateway has written, and what of its secrets can be looked for. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const dump = new URL('../../fixtures/store-d8801aa.sql', import.meta.url);

/** What commit d8801aa gave out and kept; the fixture's own words. */
export const earlier = {
  agent: '18YuI-Tfj530qn6BD6zOcimO2utDCoPq_u7rBgU3kwU',
  supervisor: 'eUl1ru442GiCyaFtIf063uiHfaVWquuJtYRq2SQJs7k',
  bob: 'Klk6pDV8IIhzt0kYWy5YjLaq7ev9rMxrMaJC58wyeKA',
  kid: 'kHMhjMUfgj8CRwKRb2edQk1y45KBMXYldsl_wPWoZFw',
  openForm: { browser: '7BJMFJIq-LOHVkALhPi34Q', token: 'DkzhOswJO70JyDvOh9yMv-R9__vQ1ewd_IZZspgQI4s' },
  keptForm: { browser: 'I1MTfkRxbCuQvqxlNv-trQ', id: 'HysDKyZ2t5YVjdBD2DTqqg' },
  flow: `${'B'.repeat(22)}.${'F'.repeat(22)}`,
  /** In the order: signing key, form key, refresh token, saved form, code verifier. */
  secrets: [
    'Akaz17du4Nk-Tyum3p0k2gvpdb-YPp_g6HR0rE3syR0',
    '-JaYYhgqDkUGGKlzkileTlpsER-bVIhQqbZ_-tJIi0U',
    'secret-refresh-token-of-bob',
    'secret-of-a-kept-form',
    'secret-code-verifier',
  ],
} as const;

/** Writes the store into a folder, as a file of its own; open, for what a test adds. */
export function writeEarlierStore(folder: string): DatabaseSync {
  const database = new DatabaseSync(join(folder, 'gatehouse.db'));
  database.exec('PRAGMA journal_mode = WAL');
  database.exec(readFileSync(dump, 'utf8'));
  return database;
}

/** The secrets that stand in the bytes of a folder's database files. */
export function secretsIn(folder: string, secrets: readonly string[] = earlier.secrets): readonly string[] {
  const files = readdirSync(folder).filter((name) => name.startsWith('gatehouse.db'));
  const bytes = Buffer.concat(files.map((name) => readFileSync(join(folder, name))));
  return secrets.filter((secret) => bytes.includes(secret));
}
