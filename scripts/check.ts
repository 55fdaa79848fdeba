/** What to run before each commit: lint, types and the tests that need no server. */
import { verify } from './test.ts';

process.exitCode = await verify('quick');
