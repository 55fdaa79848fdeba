/** Enrolments of users who are known otherwise from here on: renamed, or of a tenant. And for which tenants and hosts there are any. */
import type { Request, Response, Router } from 'express';
import { accountNamed, isSameAccount } from '../core/account.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { FactorDesk } from '../factors/desk.ts';
import type { Audit } from '../telemetry/audit.ts';
import { actorOf } from './actor.ts';

/** What moves them. */
interface MoveParts {
  readonly factors: () => Pick<FactorDesk, 'move' | 'accounts' | 'keyHosts'>;
  readonly audit: Pick<Audit, 'record'>;
}

/** How many names an answer lists. */
const maxNames = 100;

/** Adds the addresses. */
export function moveRoutes(router: Router, { factors, audit }: MoveParts): void {
  router.get('/tenants', async (_request: Request, response: Response) => {
    const tenants: Record<string, number> = {};
    let unnamed = 0;
    for await (const account of factors().accounts())
      if (account) tenants[account.tenant] = (tenants[account.tenant] ?? 0) + 1;
      else unnamed += 1;
    response.json({ tenants, unnamed });
  });

  router.get('/hosts', async (_request: Request, response: Response) => {
    response.json({ hosts: Object.fromEntries(await factors().keyHosts()) });
  });

  router.post('/move', async (request: Request, response: Response) => {
    const { user, to, tenant, fromTenant, toTenant, ...rest } = request.query;
    const texts = [user, to, tenant, fromTenant, toTenant].filter((value) => value !== undefined);
    const areTexts = texts.every((value) => typeof value === 'string' && canonicalUsername(value) !== '');
    if (areTexts && Object.keys(rest).length === 0) {
      if (user !== undefined && to !== undefined && fromTenant === undefined && toTenant === undefined)
        return moveUser(response, String(user), String(to), tenant === undefined ? undefined : String(tenant));
      const isWhole = user === undefined && to === undefined && tenant === undefined;
      if (isWhole && fromTenant !== undefined && toTenant !== undefined)
        return moveTenant(response, String(fromTenant), String(toTenant));
    }
    const message = 'Say who is who: ?user=NAME&to=NEW-NAME, and &tenant=T; or ?fromTenant=A&toTenant=B.';
    response.status(400).json({ error: 'bad-request', message });
  });

  async function moveUser(response: Response, user: string, name: string, tenant: string | undefined): Promise<void> {
    const [from, to] = [accountNamed(user, tenant), accountNamed(name, tenant)];
    if (isSameAccount(from, to)) {
      const message = `${user} and ${name} are one account.`;
      return void response.status(400).json({ error: 'bad-request', message });
    }
    const outcome = await factors().move(from, to);
    audit.record({
      ...{ event: 'factor-move', user: to.subject, tenant: to.tenant, ...actorOf(response) },
      ...{ outcome: outcome === 'moved' ? 'succeeded' : 'failed', detail: `from ${from.subject}` },
    });
    if (outcome === 'moved') return void response.json({ moved: 1, occupied: [], unnamed: 0 });
    const [status, error, message] =
      outcome === 'none'
        ? ([404, 'no-enrolment', `${from.subject} has set nothing up.`] as const)
        : ([409, 'occupied', `${to.subject} has set something up already: reset one of the two.`] as const);
    response.status(status).json({ error, message });
  }

  async function moveTenant(response: Response, fromTenant: string, toTenant: string): Promise<void> {
    if (fromTenant === toTenant) {
      response.status(400).json({ error: 'bad-request', message: 'The two tenants are one.' });
      return;
    }
    const occupied: string[] = [];
    let [moved, unnamed] = [0, 0];
    for (const account of await Array.fromAsync(factors().accounts())) {
      if (!account) unnamed += 1;
      if (account?.tenant !== fromTenant) continue;
      const outcome = await factors().move(account, accountNamed(account.subject, toTenant));
      if (outcome === 'moved') moved += 1;
      if (outcome === 'occupied') occupied.push(account.subject);
    }
    const detail = `${moved} accounts from tenant ${fromTenant}, ${occupied.length} have their own there`;
    audit.record({ event: 'factor-move', outcome: 'succeeded', tenant: toTenant, detail, ...actorOf(response) });
    response.json({ moved, occupied: occupied.slice(0, maxNames), unnamed });
  }
}
