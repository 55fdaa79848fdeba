/** `npm run soak`: what takes longer than a test may. Without a name it is mixed traffic among deaths and reloads. */
import { soakDifferential } from './soak/differential.ts';
import { mixedUsage, soakMixed } from './soak/mixed.ts';
import { soakProperties } from './soak/properties.ts';
import { soakSentinel } from './soak/sentinel.ts';
import { UsageError } from './usage-error.ts';

const usage = `${mixedUsage}
npm run soak differential [conversations]   the lane beside Node's parser: 200,000 odd conversations
npm run soak properties [scale]             every random test at a hundred times its size
npm run soak sentinel                       Redis behind Sentinels whose master hangs
`;

const runs: Readonly<Record<string, (words: readonly string[]) => Promise<number>>> = {
  differential: soakDifferential,
  properties: soakProperties,
  sentinel: () => soakSentinel(),
};

const [name = '', ...more] = process.argv.slice(2);
try {
  const run = runs[name];
  if (name === '--help') console.log(usage);
  process.exit(name === '--help' ? 0 : await (run ? run(more) : soakMixed(process.argv.slice(2))));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${usage}`);
  process.exit(2);
}
