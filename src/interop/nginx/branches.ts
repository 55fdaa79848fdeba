/** Adds to the flat list of a server's locations the parts of them that rewrite rules treat otherwise. */
import type { FlatLocation } from './flatten.ts';
import type { Directive } from './parse.ts';
import { passingOf } from './passing.ts';
import { type Branch, isTakenFirst, pathRules, type Rewriting, rewriteLocation, serverBranches } from './rewriting.ts';
import { Scope, type Values } from './scope.ts';

/** What stands around the locations. */
interface BranchSource {
  readonly http: readonly Directive[];
  readonly server: readonly Directive[];
  readonly constants: Values;
  readonly named: ReadonlyMap<string, Directive>;
}

/** The list with its branches: those of the whole server first, those of one location where nginx comes to them. */
export function withBranches(locations: readonly FlatLocation[], source: BranchSource): readonly FlatLocation[] {
  const first = serverBranches(pathRules(source.server, new Map(), false));
  const list: FlatLocation[] = [];
  const last: FlatLocation[] = [];
  for (const location of locations) {
    const whole = behind(location, first);
    if (whole !== location) list.push(whole);
    else {
      const { path, redirect, closed, branches } = rewritingOf(location, source, locations);
      for (const branch of branches)
        (branch.modifier === '~' ? last : list).push(behind(partOf(location, branch), first));
      list.push({
        ...location,
        ...(path !== undefined && { rewritten: path }),
        ...(redirect && { redirect }),
        ...(closed && { branch: closed }),
      });
    }
  }
  const [any] = locations;
  const ofServer = any
    ? first.map((branch) => partOf({ ...any, directive: branch.rule.directive, blocks: [] }, branch))
    : [];
  return [...ofServer, ...list, ...last];
}

function rewritingOf(location: FlatLocation, source: BranchSource, all: readonly FlatLocation[]): Rewriting {
  if (location.unreadable !== undefined) return { branches: [] };
  const passing = passingOf(location, source.server, source.named);
  const blocks = passing?.blocks ?? location.blocks;
  const values = new Scope([source.http, source.server, ...blocks], source.constants).values();
  const keepsPath = /\$request_uri/.test(passing?.pass.args[0] ?? '');
  const outer = passing?.named ? pathRules(location.blocks.at(-1) ?? [], values, false) : [];
  const rules = [...outer, ...pathRules(blocks.at(-1) ?? [], values, keepsPath)];
  const hasPath = /^[^:]+:\/\/[^/]+\//.test(passing?.pass.args[0] ?? '');
  return rewriteLocation(location, rules, all, hasPath);
}

function partOf(location: FlatLocation, { rule, modifier, path, result }: Branch): FlatLocation {
  const branch = { what: rule.what, ...(result.why !== undefined && { why: result.why }) };
  return {
    ...location,
    modifier,
    path,
    branch,
    ...(result.path !== undefined && { rewritten: result.path }),
    ...(result.redirect && { redirect: result.redirect }),
  };
}

/** A location as the rules of the whole server leave it: closed where they take its requests first. */
function behind(location: FlatLocation, first: readonly Branch[]): FlatLocation {
  const taker = first.find((branch) => isTakenFirst(location, branch));
  if (!taker) return location;
  const { rule, result } = taker;
  return { ...location, branch: { what: rule.what, why: result.why ?? 'nginx takes them first' } };
}
