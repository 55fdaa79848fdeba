/** The operator's view of the lock-out: who is counted and locked, and the word that a user or an address may try again. */
import { isIP } from 'node:net';
import { type Request, type Response, Router } from 'express';
import { plainAddress } from '../core/address.ts';
import type { Log } from '../core/log.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Audit } from '../telemetry/audit.ts';
import type { CountedEntry, Released } from '../users/lockout-overview.ts';
import { actorOf } from './actor.ts';
import type { SessionRouteParts } from './session-routes.ts';

/** The lock-out, and where its lifting is recorded. */
export interface LockoutRouteParts extends Pick<SessionRouteParts, 'namesMeant'> {
  /** `users/lockout-overview.ts` fits. */
  readonly lockouts: {
    list(only?: CountedEntry['kind']): AsyncIterable<CountedEntry>;
    releaseUser(username: string): Promise<Released>;
    releaseAddress(address: string): Promise<Released>;
  };
  readonly audit: Pick<Audit, 'record'>;
  readonly log: Log;
}

const defaultLimit = 100;
const maxListed = 1000;
/** What `/64` of IPv6 is counted as one client, as the list has it. */
const network = /^[\da-f:]+::\/64$/i;
/** Locked addresses that the release of a user names. */
const maxNamed = 20;

/** The routes under `/lockouts`. */
export function lockoutRoutes({ lockouts, namesMeant, audit, log }: LockoutRouteParts): Router {
  const router = Router();

  router.get('/', async (request: Request, response: Response) => {
    const limit = request.query.limit ?? String(defaultLimit);
    if (typeof limit !== 'string' || !/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > maxListed)
      return void refuse(response, `Give limit once, from 1 to ${maxListed}.`);
    const { entries, isMore } = await firstOf(lockouts.list(), Number(limit));
    response.json({ lockouts: entries.map(shown), more: isMore });
  });

  router.delete('/', async (request: Request, response: Response) => {
    const { user, address } = request.query;
    const username = typeof user === 'string' ? canonicalUsername(user) : '';
    const place = typeof address === 'string' ? address.trim() : '';
    if ((username === '') === (place === ''))
      return void refuse(response, 'Say who may try again: ?user=NAME or ?address=ADDRESS.');
    if (place !== '' && !isAddress(place))
      return void refuse(
        response,
        'This is no address: give one as GET /lockouts lists it, such as ?address=192.0.2.7.',
      );
    const whose = username === '' ? { kind: 'address', name: place } : { kind: 'user', name: username };
    const found =
      username === '' ? await lockouts.releaseAddress(place) : await releaseAll(lockouts, namesMeant(username));
    const left = username === '' ? [] : await lockedAddresses(lockouts.list('address'));
    const detail = sayings[found](whose) + (left.length > 0 ? `; locked still: address ${left.join(', ')}` : '');
    const by = actorOf(response);
    const outcome = found === 'nothing' ? 'failed' : 'succeeded';
    audit.record({ event: 'unlock', outcome, ...(username && { user: username }), detail, ...by });
    log.info(
      { [whose.kind]: whose.name, detail, ...by },
      found === 'nothing' ? 'there was no lock-out to release' : 'a lock-out was released by the operator',
    );
    response.json({
      [found === 'nothing' ? 'notCounted' : 'unlocked']: whose.name,
      [whose.kind]: found,
      ...(username !== '' && { lockedAddresses: left }),
      ...(left.length > 0 && { message: 'Who comes from a locked address stays locked: DELETE /lockouts?address=.' }),
    });
  });

  return router;
}

async function releaseAll(
  lockouts: Pick<LockoutRouteParts['lockouts'], 'releaseUser'>,
  names: readonly string[],
): Promise<Released> {
  const found: Released[] = [];
  for (const name of names) found.push(await lockouts.releaseUser(name));
  return (['locked', 'counted'] as const).find((one) => found.includes(one)) ?? 'nothing';
}

const sayings: Readonly<Record<Released, (whose: { kind: string; name: string }) => string>> = {
  locked: ({ kind, name }) => `the ${kind} ${name} was locked`,
  counted: ({ kind, name }) => `the ${kind} ${name} had failures and was not locked`,
  nothing: ({ kind, name }) => `the ${kind} ${name} was not counted`,
};

/** With a zone, in brackets or mapped, as the lock-out takes them too. */
function isAddress(text: string): boolean {
  return isIP(plainAddress(text.replace(/%[\w.-]+\]?$/, ''))) !== 0 || network.test(text);
}

/** The locked ones first: they are what is looked for. */
async function firstOf(all: AsyncIterable<CountedEntry>, limit: number) {
  const [locked, others]: [CountedEntry[], CountedEntry[]] = [[], []];
  let count = 0;
  for await (const entry of all) {
    count += 1;
    const list = isLocked(entry) ? locked : others;
    if (list.length < limit) list.push(entry);
  }
  return { entries: [...locked, ...others].slice(0, limit), isMore: count > limit };
}

async function lockedAddresses(all: AsyncIterable<CountedEntry>): Promise<string[]> {
  const addresses: string[] = [];
  for await (const entry of all)
    if (isLocked(entry) && addresses.length < maxNamed) addresses.push(entry.address ?? 'unknown');
  return addresses;
}

function isLocked({ lockedUntil, isUnreadable }: CountedEntry): boolean {
  return lockedUntil !== undefined || isUnreadable;
}

function shown({ kind, name, tenant, address, failures, lockedUntil, isUnreadable }: CountedEntry): object {
  return {
    kind,
    ...(name && { user: name }),
    ...(tenant && { tenant }),
    ...(address && { address }),
    failures: Math.round(failures),
    ...(lockedUntil !== undefined && { lockedUntil: new Date(lockedUntil).toISOString() }),
    ...(isUnreadable && { unreadable: true }),
  };
}

function refuse(response: Response, message: string): void {
  response.status(400).json({ error: 'bad-request', message });
}
