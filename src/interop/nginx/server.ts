/** A server of nginx as it is read: its names, where it listens, and what stands in it. */
import type { Directive } from './parse.ts';
import type { RouteData } from './route-data.ts';
import type { SourcePosition } from './tokens.ts';

/** Where a server listens. */
export interface Listen {
  readonly place: SourcePosition;
  readonly address: string;
  readonly port: string;
  readonly isTls: boolean;
  readonly isDefault: boolean;
  /** Peers begin with the PROXY protocol. */
  readonly isProxied: boolean;
}

/** What decides about hosts beside the servers themselves. */
export interface ServerOptions {
  readonly host: string | undefined;
  readonly domains: readonly string[];
  /** Why the configuration would not take a route; undefined where it would. */
  readonly faultOf: (route: RouteData) => string | undefined;
}

/** A server whose locations become routes. */
export interface ReadServer {
  readonly directive: Directive;
  readonly body: readonly Directive[];
  /** Exact hosts and `*.` ones, in lower case. */
  readonly names: readonly string[];
  /** Those of the names that were made of one with a star at its end. */
  readonly starred: readonly string[];
  /** True: it has names that no route can have. */
  readonly hasOthers: boolean;
  readonly listens: readonly Listen[];
}

/** The servers of a configuration. */
export interface ReadServers {
  /** Each with the hosts of its routes; `undefined` stands for every host. */
  readonly sites: readonly { readonly server: ReadServer; readonly hosts: readonly (string | undefined)[] }[];
  /** The one that the public address is of. */
  readonly main: ReadServer | undefined;
  /** Whether a server does nothing but send browsers to https. */
  readonly redirects: readonly ReadServer[];
}
