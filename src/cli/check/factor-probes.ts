/** What `gatehouse check --connect` tries of the second factors that ask a server. Nothing is sent to anybody. */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../core/clock.ts';
import type { ProbeStep } from '../../core/provider.ts';
import { Sealer, SealKey } from '../../core/seal.ts';
import { buildFactors } from '../../factors/build.ts';
import type { Document } from '../../gateway/document.ts';
import { Breakers } from '../../remote/breakers.ts';
import { MemoryStore } from '../../store/memory.ts';
import { createLog } from '../../telemetry/log.ts';

/** Each step at each of them; `begin` is told whose steps follow. False where one has failed. */
export async function probeFactors(
  document: Document,
  { timeout, begin, tell }: { timeout: number; begin: (title: string) => void; tell: (step: ProbeStep) => void },
): Promise<boolean> {
  const store = new MemoryStore(systemClock);
  const factors = buildFactors(document, {
    ...{ clock: systemClock, store, breakers: new Breakers(), onSend: () => undefined },
    log: createLog({ level: 'error', destination: { write: () => true } }),
    sealer: new Sealer([new SealKey(randomBytes(32))]),
  });
  let isWell = true;
  try {
    for (const { name, type, factor } of factors.all) {
      if (!factor.probe) continue;
      begin(`${name} (factor, ${type})`);
      for await (const step of factor.probe(AbortSignal.timeout(timeout))) {
        if (step.result === 'failed') isWell = false;
        tell(step);
      }
    }
  } finally {
    await factors.close();
    await store.close();
  }
  return isWell;
}
