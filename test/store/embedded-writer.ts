/**
 * A process that uses the embedded store, for the tests of several processes and of sudden ends.
 * Arguments: the folder, and `write` (numbered keys for ever, each acknowledged on stdout once written), `take` (once, at
 * the first line of stdin), `announce` (one key in the journal) or `open` (open and close).
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/core/clock.ts';
import { OperatorError } from '../../src/core/errors.ts';
import { createStore } from '../../src/store/index.ts';
import { keptLog } from '../support/tools/log-lines.ts';

const [folder = '', task] = process.argv.slice(2);

try {
  const store = await createStore({ type: 'embedded', path: folder }, { clock: systemClock, log: keptLog() });
  if (task === 'write') {
    for (let number = 0; ; number++) {
      await store.put(`written:${process.pid}-${number}`, `value ${number}`.padEnd(500));
      writeSync(1, `${process.pid}-${number}\n`);
    }
  }
  if (task === 'take') {
    writeSync(1, 'ready\n');
    await once(process.stdin, 'data');
    for (let number = 0; number < 200; number++) {
      if ((await store.take(`once:${number}`)) !== undefined) writeSync(1, `${number}\n`);
    }
  }
  if (task === 'announce') await store.replace('kind:a', undefined, 'x', undefined, { announced: true });
  await store.close();
  process.exit(0);
} catch (error) {
  if (!(error instanceof OperatorError)) throw error;
  writeSync(2, `${error.message}\n${error.hint}\n`);
  process.exit(1);
}
