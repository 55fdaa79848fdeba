/**
 * The package's front door: the gateway inside an Express application. `app.use(gatehouse({ config }))` before anything
 * else; then `request.principal` says who is there. Deciding is the pipeline's, carrying out `carrier.ts`'s.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { GatewayError, OperatorError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Level } from '../core/proof.ts';
import { highestLevel } from '../gateway/factor-checks.ts';
import { roleNames } from '../policy/roles-file.ts';
import { type AdmittedUpgrade, type AppRequest, carrierOf } from './carrier.ts';
import { type AppConfig, requireAppConfig } from './document.ts';
import { type AppHost, startInApp } from './front.ts';

export type { Amr, Assertion, Principal } from '../core/principal.ts';
export type { Level } from '../core/proof.ts';
export type { AdmittedUpgrade } from './carrier.ts';
export type { AppConfig } from './document.ts';

declare global {
  namespace Express {
    interface Request {
      /** Who the request comes from; absent where the location is public and nobody is signed in. */
      principal?: Principal;
    }
  }
}

/** The configuration, and where lines go. */
export interface GatehouseOptions {
  /** A YAML file, or an object that holds the same. Access rules stand under `routes`, without `upstream`. */
  readonly config: string | URL | AppConfig;
  /** Takes the lines of the log and of the audit in place of the standard output. */
  readonly output?: { write(line: string): unknown };
}

/** Goes on to the next handler, or to the application's error handler. */
export type Next = (error?: unknown) => void;

/** A middleware of Express 4 and 5, of connect, and of whatever calls `(request, response, next)`. */
export type Handler = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

/** The gateway of an application: a middleware with a life. */
export interface Gatehouse extends Handler {
  /** Resolves when requests can be decided; rejects with an OperatorError that says what stands in the way. */
  ready(): Promise<void>;
  /**
   * Decides on a WebSocket: call it in the server's `upgrade` event, and open the socket only for what it yields. For
   * undefined the socket has been answered.
   */
  upgrade(request: IncomingMessage, socket: Duplex): Promise<AdmittedUpgrade | undefined>;
  /**
   * Reads the configuration again, or takes another, and puts it in place without dropping a request. False when it cannot be
   * used: the log says why, and the one before goes on. Rejects only where the gateway has not started.
   */
  reload(config?: GatehouseOptions['config']): Promise<boolean>;
  /** Ends what the gateway keeps open: store, directories, timers. Call it when the server has closed. */
  close(): Promise<void>;
}

/**
 * A gateway inside an application. It starts at once, and requests wait until it has.
 *
 * Throws an OperatorError that lists every mistake of the configuration. Mount it first, and at the root: an address that
 * something has already rewritten is refused.
 */
export function gatehouse({ config, output }: GatehouseOptions): Gatehouse {
  const starting = startInApp(requireAppConfig(config), output ? { output } : {});
  // Whoever asks, a request or `ready`, gets the error; nobody asking must not end the process.
  starting.catch(() => undefined);
  let source = config;
  let closed: Promise<void> | undefined;
  const running = async (): Promise<AppHost> => {
    const host = closed ? undefined : await starting;
    // It may have been closed while it started.
    if (!host || closed) throw new GatewayError('UNAVAILABLE', 'the gateway of this application has been closed');
    return host;
  };
  const handler = (request: AppRequest, response: ServerResponse, next: Next): void => {
    const { originalUrl = request.url } = request;
    // Below a path, or after something that rewrites addresses, what we decided on would not be what the browser asked for.
    if (originalUrl !== request.url || carrierOf(request))
      next(new OperatorError(`gatehouse met a request that something has changed before. ${mountFirst}`));
    else
      passOn(
        running().then(({ front }) => front.carrier.carry(request, response)),
        next,
      );
  };
  return Object.assign(handler, {
    ready: async () => void (await running()),
    upgrade: async (request: IncomingMessage, socket: Duplex) =>
      (await running()).front.carrier.upgrade(request, socket),
    reload: async (next = source) => {
      const { kind } = await (await running()).reload({ actor: 'application' }, () => requireAppConfig(next));
      if (kind === 'reloaded') source = next;
      return kind === 'reloaded';
    },
    close: () => {
      closed ??= starting.then(
        (host) => host.stop(),
        () => undefined,
      );
      return closed;
    },
  });
}

/**
 * A middleware that lets only these roles pass, any of them; others get what the `access` of a location would give them: the
 * login page, or a refusal. It needs `gatehouse` in front, and works on public locations, too.
 */
export function requireRole(...roles: readonly [string, ...string[]]): Handler {
  const asked = `requireRole(${roles.map((role) => JSON.stringify(role)).join(', ')})`;
  return (request, response, next) => {
    const carrier = carrierOf(request);
    const known = carrier ? roleNames(carrier.document) : [];
    const strangers = roles.filter((role) => !known.includes(role));
    if (!carrier) next(new OperatorError(`${asked}: no gateway has let this request through. ${mountFirst}`));
    else if (roles.length === 0 || strangers.length > 0)
      next(new OperatorError(`${asked}: the roles of the configuration are ${known.join(', ') || 'none'}`));
    else passOn(carrier.demand(request, response, { roles }), next);
  };
}

/**
 * A middleware that lets only sessions of a level pass; others get what the `level` of a location would give them: the page that
 * asks for a factor, or a 401. It needs `gatehouse` in front, and works on public locations, too.
 */
export function requireLevel(level: Level): Handler {
  const asked = `requireLevel(${level})`;
  return (request, response, next) => {
    const carrier = carrierOf(request);
    if (!carrier) next(new OperatorError(`${asked}: no gateway has let this request through. ${mountFirst}`));
    else if (!(level >= 1 && level <= highestLevel(carrier.document)))
      next(
        new OperatorError(
          `${asked}: by this configuration nobody can reach more than level ${highestLevel(carrier.document)}`,
        ),
      );
    else passOn(carrier.demand(request, response, { level }), next);
  };
}

const mountFirst = 'Write app.use(gatehouse({ config })) before everything else, at the root of the application.';

/** Answered requests end here; others go on, and so do failures, to the application's error handler. */
function passOn(deciding: Promise<boolean>, next: Next): void {
  deciding.then(
    (goesOn) => goesOn && next(),
    (error: unknown) => next(error),
  );
}
