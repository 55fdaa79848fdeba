/**
 * The configuration of a gateway inside an application: the same words as `gatehouse.yaml`, without those about listeners
 * and upstreams. What is left out is filled in, so that `build.ts` makes the same objects of it.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { type LoadResult, loadConfig } from '../config/load.ts';
import { formatIssues } from '../config/report.ts';
import { OperatorError } from '../core/errors.ts';
import { checkApplications } from '../gateway/application-checks.ts';
import { type Document, documentSchema } from '../gateway/document.ts';
import { checkDocument } from '../gateway/document-checks.ts';
import { routeOptions } from '../gateway/routes.ts';
import { checkTenants } from '../gateway/tenant-checks.ts';
import { checkExternal } from '../login/external.ts';
import { forwardOptions } from '../proxy/options.ts';
import { outboundOptions } from '../remote/proxy-options.ts';
import { corsOptions, preflightFaults } from '../routing/cors-options.ts';
import { locationOptions, siteOptions } from '../routing/options.ts';
import { startFaults, startOptions } from '../routing/start-options.ts';
import { sessionOptions } from '../sessions/options.ts';
import { storeOptions } from '../store/index.ts';

/** What is about connections is the application's own affair. */
const { listeners: _listeners, services: _services, peers: _peers, streams: _streams, ...shape } = documentSchema.shape;
const { server, session, routes, admin, ...rest } = shape;
const { publicUrl } = siteOptions.shape;
const { headers, cookies } = forwardOptions.shape;

const serverInApp = z.strictObject({
  ...siteOptions.shape,
  ...outboundOptions.shape,
  publicUrl: publicUrl.unwrap().describe('what browsers see; cookies and redirects come from this, never from Host'),
});
const sessionInApp = z.strictObject({
  ...sessionOptions.shape,
  store: storeOptions.prefault({ type: 'memory' }).describe('where sessions are kept'),
});

const routeInApp = z
  .strictObject({ ...locationOptions.shape, ...corsOptions.shape, ...startOptions.shape, headers, cookies })
  .superRefine((route, context) => {
    for (const { key, message, hint } of [...preflightFaults(route), ...startFaults(route)])
      context.addIssue({ code: 'custom', path: [key], message, params: { hint } });
  });

/** What is not said in an application, as the gateway's own defaults have it. */
const unsaid = {
  server: server.parse({}),
  admin: admin.parse({}),
  route: routeOptions.parse({ location: '/', upstream: 'http://localhost' }),
};

/** The schema of a configuration for an application. Its routes are access rules; without any, each visitor signs in. */
const appDocumentSchema = z
  .strictObject({
    ...rest,
    server: serverInApp.describe('where the application is'),
    admin: admin.unwrap().optional().describe('the admin listener; none when absent'),
    session: sessionInApp.prefault({}).describe('how long users stay'),
    routes: z
      .array(routeInApp)
      .prefault([{ location: '/' }])
      .describe('who may pass where; other addresses are not found'),
  })
  .transform((document): AppDocument => {
    // The application stands behind its own gateway: its origin is what the signed identity is for.
    const { publicUrl: url } = document.server;
    const own = { servers: [{ origin: url.origin, url, path: undefined }], protocol: 'http' as const };
    return {
      ...document,
      // Which hosts reach the application is the application's own affair.
      server: { ...unsaid.server, anyHost: true, ...document.server },
      ...{ services: {}, peers: {}, streams: {} },
      admin: document.admin ?? unsaid.admin,
      hasAdmin: document.admin !== undefined,
      routes: document.routes.map((route) => ({ ...unsaid.route, ...route, upstream: own })),
    };
  })
  .superRefine(checkDocument)
  .superRefine(checkTenants)
  .superRefine(checkApplications)
  .superRefine(checkExternal)
  .superRefine(checkSpellings);

/** A configuration for an application that has been read and checked. */
export type AppDocument = Document & {
  /** Whether the admin listener was asked for. */
  readonly hasAdmin: boolean;
};

/** A configuration written as an object: what `gatehouse.yaml` would hold. Relative paths are relative to the working directory. */
export type AppConfig = Omit<z.input<typeof appDocumentSchema>, 'providers'> & {
  readonly providers: Readonly<Record<string, { readonly type: string; readonly [option: string]: unknown }>>;
};

/** Express takes `/Admin` for `/admin`: two locations that differ only so would be one. */
function checkSpellings(document: Document, context: z.RefinementCtx<AppDocument>): void {
  const seen = new Map<string, string>();
  for (const [index, { host = '', location }] of document.routes.entries()) {
    if (location.modifier.startsWith('~')) continue;
    const place = [host, location.modifier === '=', location.path.toLowerCase()].join(' ');
    const before = seen.get(place);
    if (before !== undefined && before !== location.text)
      context.addIssue({
        code: 'custom',
        path: ['routes', index, 'location'],
        message: `is ${before} to Express, which does not regard case`,
        input: document,
      });
    seen.set(place, location.text);
  }
}

/** Reads a configuration for an application from a file, or from an object. */
export function readAppConfig(
  config: string | URL | AppConfig,
  env: Readonly<Record<string, string | undefined>> = process.env,
): LoadResult<AppDocument> {
  const schema = appDocumentSchema;
  if (typeof config === 'string' || config instanceof URL)
    return loadConfig({ schema, env, file: resolve(config instanceof URL ? fileURLToPath(config) : config) });
  const origin = 'gatehouse({ config })';
  return loadConfig({
    schema,
    env,
    file: origin,
    text: '',
    overrides: [{ key: [], value: plainData(config), origin }],
  });
}

/** The same; an OperatorError that lists every mistake when there is one. */
export function requireAppConfig(config: string | URL | AppConfig): AppDocument {
  const result = readAppConfig(config);
  if (result.kind === 'ok') return result.value;
  throw new OperatorError(`the configuration cannot be used\n${formatIssues(result.issues)}`);
}

/** A copy; functions, sockets and the like cannot stand in a configuration. */
function plainData(config: AppConfig): unknown {
  try {
    return structuredClone(config);
  } catch (error) {
    throw new OperatorError(
      'gatehouse({ config }) holds something that is no plain data',
      'write strings, numbers, lists and objects only, as in gatehouse.yaml, or give the path of such a file',
      error,
    );
  }
}
