/** The providers of a configuration for a command that asks them and ends: nothing is kept, logged or counted. */
import { systemClock } from '../core/clock.ts';
import type { Document } from '../gateway/document.ts';
import { buildProviders, type Providers } from '../login/providers.ts';
import { Breakers } from '../remote/breakers.ts';
import { MemoryStore } from '../store/memory.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { ProviderFigures } from '../telemetry/provider-figures.ts';

/** Makes the providers, lets a command use them, and closes them whatever comes of it. */
export async function withProviders<T>(document: Document, use: (providers: Providers) => Promise<T>): Promise<T> {
  const log = createLog({ level: 'error', destination: { write: () => true } });
  const store = new MemoryStore(systemClock);
  const metrics = createMetrics({ processMetrics: false });
  const figures = new ProviderFigures(systemClock);
  const providers = buildProviders(document, {
    clock: systemClock,
    log,
    store,
    metrics,
    breakers: new Breakers(),
    figures,
  });
  try {
    return await use(providers);
  } finally {
    await providers.close();
    await store.close();
  }
}
