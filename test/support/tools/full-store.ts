/** A store on a full disk, as SQLite reports it: each write is refused, reads go on. */
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';

/** Makes a store refuse each write with the words of a full disk; reads go on, as on a real one. Gives the way back. */
export function fillStore(t: TestContext, folder: string): () => void {
  const database = new DatabaseSync(path.join(folder, 'gatehouse.db'), { timeout: 5000 });
  t.after(() => database.isOpen && database.close());
  const events = ['INSERT', 'UPDATE', 'DELETE'];
  for (const event of events)
    database.exec(
      `CREATE TRIGGER full_${event} BEFORE ${event} ON entries BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`,
    );
  return () => {
    for (const event of events) database.exec(`DROP TRIGGER full_${event}`);
  };
}
