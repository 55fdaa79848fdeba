/**
 * `npm run soak differential [conversations]`: the comparison of the lane with Node's parser that `npm test` makes with 3,000
 * conversations, with 200,000 and with an upstream whose answers lie; from a seed of its own, which is printed for each part.
 */

import { compareLanes, startReaders } from '../../test/support/differential/compare.ts';
import { answersBelong, startLiar } from '../../test/support/differential/lies.ts';
import { randomSeed } from '../../test/support/tools/properties.ts';
import { Scope } from '../contenders/scope.ts';

/** Conversations with one set of gateways: what they write down stays in memory as long as they live. */
const perPart = 2500;

/** Runs it; the exit code. Goes on behind a part that differs, and names each at the end. */
export async function soakDifferential([amount = '200000', ...more]: readonly string[]): Promise<number> {
  const wanted = Number(amount);
  if (!(wanted > 0) || more.length > 0) {
    console.error('usage: npm run soak differential [conversations]');
    return 2;
  }
  const seed = randomSeed();
  const sum = { conversations: 0, forwarded: 0, byLane: 0, lies: 0 };
  const different: string[] = [];
  console.log(`${wanted} conversations, seed ${seed}`);
  for (let part = 0; sum.conversations < wanted; part += 1) {
    const own = seed + part;
    await within(`part ${part}, PROPERTY_SEED=${own}`, different, async (scope) => {
      const readers = await startReaders(scope.context);
      const { cases, forwarded, byLane } = await compareLanes(
        readers,
        Math.min(perPart, wanted - sum.conversations),
        own,
      );
      sum.forwarded += forwarded;
      sum.byLane += byLane;
      sum.conversations += cases;
    });
    if (part % 4 === 0)
      await within(`lies, part ${part}, PROPERTY_SEED=${own}`, different, async (scope) => {
        sum.lies += await answersBelong(await startLiar(scope.context), 100, own);
      });
    if (different.length > 20) break;
    console.log(
      `${JSON.stringify(sum)} ${Math.round(process.memoryUsage.rss() / 1024 ** 2)} MB, ${different.length} differ`,
    );
  }
  for (const one of different) console.log(`\n${one}`);
  console.log(`\n${sum.conversations} conversations, ${different.length} parts with a difference`);
  return different.length > 0 ? 1 : 0;
}

/** Long bodies and headers are of one sign. */
function shortened(text: string): string {
  return text.replaceAll(/(.)\1{40,}/g, (run, sign: string) => `${sign}{${run.length}}`);
}

async function within(name: string, different: string[], work: (scope: Scope) => Promise<void>): Promise<void> {
  const scope = new Scope();
  try {
    await work(scope);
  } catch (error) {
    const { message = String(error), cause } = error as { message?: string; cause?: { message?: string } };
    different.push(`${name}: ${shortened(message)}\n${cause?.message ?? ''}`);
    console.log(`differs: ${different.at(-1)}`);
  } finally {
    await scope.end();
  }
}
