/** What was recorded, for operators: logins with their codes, whatever has one code, and the last warnings of the log. */
import { type Request, type Response, Router } from 'express';
import { duration } from '../config/values.ts';
import type { Clock } from '../core/clock.ts';
import { canonicalUsername } from '../core/principal.ts';
import { readReferenceCode } from '../core/reference-code.ts';
import { searchRecords } from '../telemetry/audit-search.ts';

/** Where the records come from, the newest first. */
export interface RecordRouteParts {
  readonly clock: Clock;
  readonly records: () => AsyncIterable<string> | Iterable<string>;
  readonly warnings: () => AsyncIterable<string> | Iterable<string>;
}

const defaultLimit = 100;
const maxListed = 1000;

/** The route `/logins`: audit records of logins. */
export function loginsRoute({ records, clock }: RecordRouteParts): Router {
  const router = Router();
  router.get('/', async (request: Request, response: Response) => {
    const { limit = String(defaultLimit), user, code, since } = request.query;
    if (typeof limit !== 'string' || !/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > maxListed)
      return void refuse(response, `Give limit once, from 1 to ${maxListed}.`);
    if (user !== undefined && typeof user !== 'string') return void refuse(response, 'Give user once.');
    const wanted = codeOf(code);
    if (wanted === null) return void refuse(response, notACode);
    const from = timeOf(since, clock.now());
    if (from === null)
      return void refuse(response, 'Give since once, as a time such as 2026-11-22T08:00:00Z or a span such as 15m.');
    const found = await searchRecords(records(), {
      event: 'login',
      limit: Number(limit),
      ...(user !== undefined && { user: canonicalUsername(user) }),
      ...(wanted !== undefined && { code: wanted }),
      ...(from !== undefined && { since: from }),
    });
    response.json({ logins: found.records, more: found.more });
  });
  return router;
}

/** The route `/records`: whatever has a code. */
export function recordsRoute({ records }: RecordRouteParts): Router {
  const router = Router();
  router.get('/', async (request: Request, response: Response) => {
    const code = codeOf(request.query.code);
    if (typeof code !== 'string') return void refuse(response, notACode);
    const { records: found } = await searchRecords(records(), { code, limit: defaultLimit });
    response.json({ records: found });
  });
  return router;
}

/** The route `/warnings`: the last lines of the log that warn. */
export function warningsRoute({ warnings }: RecordRouteParts): Router {
  const router = Router();
  router.get('/', async (_request: Request, response: Response) => {
    response.json({ warnings: await Array.fromAsync(warnings(), (line) => JSON.parse(line)) });
  });
  return router;
}

const notACode = 'Give code once, as it stood on the page, such as 7K3M-9QXD.';

function codeOf(text: unknown): string | undefined | null {
  if (text === undefined) return undefined;
  return (typeof text === 'string' && readReferenceCode(text)) || null;
}

function timeOf(text: unknown, now: number): number | undefined | null {
  if (text === undefined) return undefined;
  if (typeof text !== 'string') return null;
  const span = /^\d+[a-z]+$/.test(text) ? duration().safeParse(text).data : undefined;
  if (span !== undefined) return now - span;
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

function refuse(response: Response, message: string): void {
  response.status(400).json({ error: 'bad-request', message });
}
