/** What `gatehouse check` says of second factors whose tenant or host has left the configuration, where a gateway runs that can tell. */
import * as z from 'zod';
import type { ConfigIssue } from '../../config/load.ts';
import { defaultTenant } from '../../core/account.ts';
import type { Reading } from '../../runtime/reading.ts';
import { askGateway, findSocket } from '../gateway-socket.ts';

const told = z.object({ tenants: z.record(z.string(), z.number()) });
const toldHosts = z.object({ hosts: z.record(z.string(), z.number()) });
const patience = 5000;

/** Warns of each; nothing where no gateway answers. */
export async function enrolledTenantWarnings(
  { document: { tenants, factors }, locate }: Extract<Reading, { kind: 'ok' }>,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly ConfigIssue[]> {
  if (Object.keys(factors).length === 0) return [];
  const reply = await askGateway(findSocket(file, env).path, {
    ...{ method: 'GET', target: '/factors/tenants', timeout: patience },
  });
  const { data } = told.safeParse(reply.kind === 'answered' && reply.status === 200 ? reply.body : undefined);
  const names = Object.keys(tenants);
  const known = new Set(names.length > 0 ? names : [defaultTenant]);
  return Object.entries(data?.tenants ?? {})
    .filter(([tenant]) => !known.has(tenant))
    .map(([tenant, count]) => ({
      ...locate([names.length > 0 ? 'tenants' : 'factors']),
      message: `what ${count} ${count === 1 ? 'account has' : 'accounts have'} set up as second factors is of the tenant ${tenant}, which there is not: those users look as if they had none`,
      hint: `gatehouse factors move --from-tenant ${tenant} --to-tenant NAME`,
    }));
}

/** Warns of security keys and passkeys that were made for another host: a browser shows a key to its own host alone. */
export async function endedKeyWarnings(
  { document: { server, factors }, locate }: Extract<Reading, { kind: 'ok' }>,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly ConfigIssue[]> {
  const keys = Object.entries(factors).filter(([, { type }]) => type === 'webauthn');
  const [first] = keys;
  if (!first) return [];
  const reply = await askGateway(findSocket(file, env).path, {
    ...{ method: 'GET', target: '/factors/hosts', timeout: patience },
  });
  const { data } = toldHosts.safeParse(reply.kind === 'answered' && reply.status === 200 ? reply.body : undefined);
  const now = new Set(keys.map(([, options]) => ('rpId' in options && options.rpId) || server.publicUrl.hostname));
  return Object.entries(data?.hosts ?? {})
    .filter(([host]) => !now.has(host))
    .map(([host, count]) => ({
      ...locate(['factors', first[0]]),
      message: `${count} ${count === 1 ? 'key was' : 'keys were'} made for ${host}, and ${count === 1 ? 'ends' : 'end'} with a publicUrl or rpId of another host`,
      hint: `keep rpId: ${host} for as long as publicUrl lies below it, or have the keys set up anew`,
    }));
}
