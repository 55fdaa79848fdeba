/**
 * Where a location's requests are passed on: by itself, or by what stands in where nginx finds no file: a named location
 * (`try_files … @app`, `error_page 404 = @app`) or a condition (`if (!-f $request_filename) { proxy_pass … }`).
 */
import { type FlatLocation, readLocation } from './flatten.ts';
import type { Directive } from './parse.ts';

/** How requests are passed on. */
export interface Passing {
  readonly pass: Directive;
  /** The blocks whose directives shape the request. */
  readonly blocks: FlatLocation['blocks'];
  /** What nginx does first, where it does more than pass requests on. */
  readonly files?: { readonly directive: Directive; readonly what: string };
  /** The named location that passes them on, whose guards count besides. */
  readonly named?: Directive;
}

/** The named locations of a server, by their names. */
export function namedLocations(server: readonly Directive[]): ReadonlyMap<string, Directive> {
  const named = server.filter((one) => one.name === 'location' && one.body && readLocation(one).modifier === '@');
  return new Map(named.map((one) => [`@${readLocation(one).path}`, one]));
}

/** What passes the requests of a location on; undefined where nothing does. */
export function passingOf(location: FlatLocation, around: readonly Directive[], named: ReadonlyMap<string, Directive>) {
  const own = location.blocks.at(-1) ?? [];
  const [pass] = own.filter(({ name }) => name === 'proxy_pass');
  if (pass && !own.some(({ name }) => name === 'try_files')) return { pass, blocks: location.blocks };
  const condition = own.find(isMissingFile);
  const [conditional] = condition?.body?.filter(({ name }) => name === 'proxy_pass') ?? [];
  if (!pass && condition && conditional)
    return { pass: conditional, blocks: location.blocks, files: { directive: condition, what: 'if (!-f …)' } };
  return throughName(location, around, named);
}

/** A named location takes over where there is no file. */
function throughName(
  { blocks }: FlatLocation,
  around: readonly Directive[],
  named: ReadonlyMap<string, Directive>,
): Passing | undefined {
  const own = blocks.at(-1) ?? [];
  const answers = own.some(({ name }) => /^return$|_pass$/.test(name) && name !== 'proxy_pass');
  const levels = [...blocks.toReversed(), around];
  const pages = levels.find((level) => level.some(({ name }) => name === 'error_page')) ?? [];
  const directive =
    own.find(({ name }) => name === 'try_files') ??
    (answers ? undefined : pages.find(({ name, args }) => name === 'error_page' && args.slice(0, -1).includes('404')));
  const target = named.get((directive?.args.at(-1) ?? '').replace(/^=/, ''));
  const [pass] = target?.body?.filter(({ name }) => name === 'proxy_pass') ?? [];
  if (!directive || !target?.body || !pass) return undefined;
  return {
    pass,
    blocks: [target.body],
    named: target,
    files: { directive, what: `${directive.name} ${directive.args.join(' ')}` },
  };
}

/** A condition that holds where nginx finds no file, and passes requests on. */
export function isMissingFile({ name, args, body = [] }: Directive): boolean {
  return (
    name === 'if' &&
    body.some((one) => one.name === 'proxy_pass') &&
    /^\(\s*!-[fe]\s+\$request_filename\s*\)$/.test(args.join(' '))
  );
}

/**
 * The blocks of a server with a location for what no other takes, where nginx has no location for it and yet passes it on by
 * a name, as `try_files $uri @app` of a whole server does.
 */
export function withRest(server: readonly Directive[]): readonly Directive[] {
  const isRest = (one: Directive): boolean => one.name === 'location' && /^(?:\^~)? ?\/$/.test(one.args.join(' '));
  const files = server.find(({ name, args }) => name === 'try_files' && args.at(-1)?.startsWith('@'));
  if (!files || server.some(isRest)) return server;
  return [...server, { name: 'location', args: ['/'], place: files.place, body: [files] }];
}
