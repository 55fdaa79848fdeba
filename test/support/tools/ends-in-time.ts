/**
 * Loaded before each test file: one whose tests have ended but whose process lives on has leaked a handle, and fails with the
 * names of what it left open; so does one that takes longer than any file may.
 */
import path from 'node:path';
import { after } from 'node:test';

const wholeFileMs = 10 * 60_000;
const afterLastTestMs = 30_000;

function endIn(milliseconds: number, what: string): void {
  const end = () => {
    const file = path.relative(process.cwd(), process.argv[1] ?? '');
    const open = [...new Set(process.getActiveResourcesInfo())].join(', ');
    process.stderr.write(`${file}: ${what}. Still open: ${open || 'nothing that Node lists'}.\n`);
    process.exit(1);
  };
  setTimeout(end, milliseconds).unref();
}

endIn(wholeFileMs, `did not end within ${wholeFileMs / 60_000} minutes`);
after(() =>
  endIn(afterLastTestMs, `its tests ended ${afterLastTestMs / 1000} s ago, but something it opened is not closed`),
);
