/** How the providers do, for operators. */
import { type Request, type Response, Router } from 'express';
import type { MaybePromise } from '../core/maybe-promise.ts';
import type { ProviderFigure } from '../telemetry/provider-figures.ts';

/** The providers of the configuration of the moment. */
export interface ProviderRouteParts {
  readonly providerFigures: () => MaybePromise<
    readonly (ProviderFigure & { readonly name: string; readonly type: string })[]
  >;
}

/** The route `/providers`. */
export function providerRoutes({ providerFigures }: ProviderRouteParts): Router {
  const router = Router();
  router.get('/', async (_request: Request, response: Response) => {
    const time = (milliseconds: number): string => new Date(milliseconds).toISOString();
    const figures = await providerFigures();
    const providers = figures.map(({ name, type, state, since, p50, p95, lastError }) => ({
      name,
      type,
      state,
      since: time(since),
      p50: p50 ?? null,
      p95: p95 ?? null,
      lastError: lastError ? { ...lastError, at: time(lastError.at) } : null,
    }));
    response.json({ providers });
  });
  return router;
}
