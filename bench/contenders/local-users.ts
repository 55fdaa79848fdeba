/** A users file with people of the bench in it. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Secret } from '../../src/core/secret.ts';
import { UsersFile } from '../../src/users/users-file.ts';
import { quiet } from './sessions.ts';

/** Writes it into a folder; its path. */
export async function localUsers(
  folder: string,
  people: readonly { readonly name: string; readonly password: string }[],
): Promise<string> {
  const file = path.join(folder, 'people.yaml');
  writeFileSync(file, 'users: {}\n');
  const users = new UsersFile(file, { log: quiet });
  for (const { name, password } of people)
    await users.add({ username: name, password: new Secret(password), groups: ['agents'] });
  return file;
}
