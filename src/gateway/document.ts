/**
 * The whole configuration, put together from each room's own options, and the checks that need more than one of them.
 * `config/load.ts` reads a file by it; `build.ts` makes objects of the result.
 */
import * as z from 'zod';
import { adminOptions } from '../admin/options.ts';
import { listenerOptions, listenersOptions } from '../edge/options.ts';
import { factorRulesOptions, factorsOptions } from '../factors/options.ts';
import { checkExternal } from '../login/external.ts';
import { loginOptions, providersOptions } from '../login/options.ts';
import { messageOptions } from '../messages/options.ts';
import { pageOptions } from '../pages/options.ts';
import { peersOptions, servicesOptions } from '../peers/options.ts';
import { sharedSecretsOptions } from '../peers/secret-options.ts';
import { roleOptions } from '../policy/roles.ts';
import { applicationOptions } from '../policy/roles-file.ts';
import { tenantOptions, tenantRuleOptions } from '../policy/tenant-options.ts';
import { assertionOptions, headerTemplates } from '../proxy/options.ts';
import { outboundOptions } from '../remote/proxy-options.ts';
import { hostOptions, siteOptions } from '../routing/options.ts';
import { sessionOptions } from '../sessions/options.ts';
import { streamsOptions } from '../streams/options.ts';
import { auditOptions, logOptions } from '../telemetry/options.ts';
import { passwordOptions } from '../users/password-options.ts';
import { checkApplications } from './application-checks.ts';
import { checkDocument, checkHostsOfNetworks } from './document-checks.ts';
import { checkFactors } from './factor-checks.ts';
import { checkListeners } from './listener-checks.ts';
import { checkPeers } from './peer-checks.ts';
import { routeOptions } from './routes.ts';
import { checkStreams } from './stream-checks.ts';
import { checkTenants } from './tenant-checks.ts';
import { transportOptions } from './transport-security.ts';
import { checkWorkers } from './worker-checks.ts';

const { listen, tls, ...limits } = listenerOptions.shape;
const { publicUrl, ...peers } = siteOptions.shape;

/** The schema of `gatehouse.yaml`. */
export const documentSchema = z
  .strictObject({
    server: z
      .strictObject({
        listen,
        publicUrl,
        ...hostOptions.shape,
        tls,
        ...transportOptions.shape,
        ...peers,
        ...outboundOptions.shape,
        ...limits,
      })
      .prefault({})
      .describe('the public listener'),
    listeners: listenersOptions
      .optional()
      .describe(
        'several listeners, each with its own certificate and rules, in the place of server.listen and server.tls',
      ),
    streams: streamsOptions
      .default({})
      .describe('what is not HTTP: TCP connections over TLS or not, from here to other servers'),
    admin: adminOptions.prefault({}).describe('the admin listener'),
    login: loginOptions.describe('how users sign in'),
    session: sessionOptions.prefault({}).describe('how long they stay'),
    providers: providersOptions.describe('what proves who they are'),
    messages: messageOptions.prefault({}).describe('how the gateway writes to people'),
    factors: factorsOptions.default({}).describe('second factors, in the order in which they are offered'),
    factorRules: factorRulesOptions.prefault({}).describe('what holds for all of them'),
    passwords: passwordOptions.prefault({}).describe('what a password must be like that is chosen here'),
    roles: roleOptions.prefault({}).describe('what they may do'),
    applications: applicationOptions.prefault({}).describe('whose roles and privileges stand in a file of their own'),
    tenants: tenantOptions.prefault({}).describe('the companies whose users they are; none when absent'),
    tenantRules: tenantRuleOptions.prefault({}).describe('how it is told of which company somebody is'),
    headers: headerTemplates
      .default({})
      .describe('for every upstream, added to or replacing the default ones; false removes one'),
    routes: z.array(routeOptions).min(1).describe('the applications'),
    services: servicesOptions.default({}).describe('what machines reach, by their certificates'),
    sharedSecrets: sharedSecretsOptions.default({}).describe('what machines show besides, where a service asks for it'),
    peers: peersOptions.default({}).describe('the machines, and the services that each may reach'),
    pages: pageOptions.prefault({}).describe('what the pages say and look like'),
    assertion: assertionOptions.prefault({}).describe('the signed identity'),
    log: logOptions.prefault({}),
    audit: auditOptions.prefault({}),
  })
  .superRefine(checkDocument)
  .superRefine(checkListeners)
  .superRefine(checkPeers)
  .superRefine(checkStreams)
  .superRefine(checkHostsOfNetworks)
  .superRefine(checkFactors)
  .superRefine(checkWorkers)
  .superRefine(checkTenants)
  .superRefine(checkApplications)
  .superRefine(checkExternal);

/** A configuration that has been read and checked. */
export type Document = z.output<typeof documentSchema>;
