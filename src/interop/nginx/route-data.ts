/** What routes are made from, and the words of our configuration that a route can be made of. */
import type { AnswerWords } from './answering.ts';
import type { CorsWords } from './cors.ts';
import type { Group } from './groups.ts';
import type { NetworkWords } from './networks.ts';
import type { Directive } from './parse.ts';
import type { Values } from './scope.ts';

/** What stands around the locations of a server. */
export interface RouteSource {
  readonly http: readonly Directive[];
  readonly server: readonly Directive[];
  readonly groups: ReadonlyMap<string, Group>;
  readonly constants: Values;
  /** Of the variables of a request, those that are fixed for this server and host. */
  readonly request: Values;
  readonly host: string | undefined;
  readonly keepsPublic: boolean;
  /** Whether a file can be read here, and where. */
  readonly readable: (path: string) => string | undefined;
  /** The paths of all prefix locations of the server. */
  readonly prefixes: ReadonlySet<string>;
  readonly named: ReadonlyMap<string, Directive>;
}

/** A route as the configuration writes it. */
export interface RouteData extends AnswerWords {
  name?: string;
  location: string;
  host?: string;
  upstream?: unknown;
  access?: 'public' | 'deny' | NetworkWords;
  headers?: Readonly<Record<string, string | false>>;
  websocket?: true;
  timeout?: string;
  connectTimeout?: string;
  maxBody?: string | number;
  preserveHost?: false;
  cors?: CorsWords;
}

/** Where a closed route would lead, if it led anywhere. */
export const unmatched = 'http://127.0.0.1:9';
