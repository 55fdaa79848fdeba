/** Synchronous work that must stay fast whatever text it is given. */
import { runInNewContext } from 'node:vm';

/** What the work gives. Work that goes on for longer than any machine needs is ended, and throws. */
export function bounded<Value>(work: () => Value, milliseconds = 5000): Value {
  return runInNewContext('work()', { work }, { timeout: milliseconds }) as Value;
}
