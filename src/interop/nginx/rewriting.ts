/**
 * What nginx's rewrite rules do with the requests of a location: the path that all of them get, or parts of the location
 * that go their own way. Such a part becomes a location of its own, which is closed where no route can say it.
 */
import type { Redirect } from './answering.ts';
import type { FlatLocation } from './flatten.ts';
import type { Directive } from './parse.ts';
import { escapePattern, fixedStart, hasMatch } from './pattern.ts';
import { type PathRule, type RulePart, readPathCondition, readRewrite, type Taken } from './rewrite-rule.ts';
import type { Values } from './scope.ts';

/** What the rules of a location come to. */
export interface Rewriting {
  /** What all requests get in the place of the location's path, but for those of the branches; undefined: as it came. */
  readonly path?: string;
  /** Where browsers are sent by all other requests. */
  readonly redirect?: Redirect;
  /** The rule for which no route can say where the requests go, and why. */
  readonly closed?: { readonly what: string; readonly why: string };
  readonly branches: readonly Branch[];
}

/** Requests of a location that a rule treats otherwise than the rest. */
export interface Branch {
  readonly rule: PathRule;
  readonly modifier: FlatLocation['modifier'];
  readonly path: string;
  /** What they get in the place of the path, or why they go where no route can say; neither: the path goes on as it came. */
  readonly result: { readonly path?: string; readonly redirect?: Redirect; readonly why?: string };
}

/** The rules of a block that concern paths, in their order. `keepsPath`: the upstream is sent the client's own path. */
export function pathRules(body: readonly Directive[], values: Values, keepsPath: boolean): readonly PathRule[] {
  const rules: PathRule[] = [];
  const order = body.filter(({ name }) => ['rewrite', 'if', 'break', 'return'].includes(name));
  for (const [index, directive] of order.entries()) {
    if (directive.name === 'break') break;
    const isFinal = order[index + 1]?.name === 'break';
    if (directive.name === 'rewrite' && !(keepsPath && (directive.args[2] === 'break' || isFinal)))
      rules.push(readRewrite(directive, isFinal, values));
    const condition = directive.name === 'if' ? readPathCondition(directive) : undefined;
    if (condition) rules.push(condition);
  }
  return rules;
}

/** Applies rules to a location, beside all others of its server. `hasPath`: its upstream has a path of its own. */
export function rewriteLocation(
  location: FlatLocation,
  rules: readonly PathRule[],
  all: readonly FlatLocation[],
  hasPath: boolean,
): Rewriting {
  const branches: Branch[] = [];
  for (const [index, rule] of rules.entries())
    for (const part of rule.parts) {
      const share = shareOf(location, part.taken, rule.isLoose);
      if (share === 'none' || isOwnSlash(rule, part)) continue;
      if (share === 'all') {
        const isUntouched = 'isUntouched' in part.result;
        if (isUntouched && location.modifier.startsWith('~')) continue;
        if (isUntouched) break;
        // An expression as a location is not looked into: only a rule for every path surely takes all of its requests.
        const isSure =
          !location.modifier.startsWith('~') || (part.taken.kind === 'prefix' && part.taken.literal.length < 2);
        if ('redirect' in part.result && isSure) return { branches, redirect: part.result.redirect };
        const path = pathFrom(part, location);
        return { branches, ...(path === undefined ? { closed: { what: rule.what, why: whyNot(part) } } : { path }) };
      }
      const branch = branchOf(location, rule, part, all);
      if (branch === 'whole') return { branches, closed: { what: rule.what, why: whyNot(part) } };
      if (!branch || branches.some((before) => covers(before, branch))) continue;
      const isUntouched = 'isUntouched' in part.result;
      const rest = (): Rewriting => rewriteLocation({ ...location, ...branch }, rules.slice(index + 1), all, hasPath);
      branches.push(
        isUntouched ? { ...branch, result: untouched(rest(), hasPath && branch.path !== location.path) } : branch,
      );
    }
  return { branches };
}

/** What becomes of a single path that one rule leaves to those behind it. */
function untouched({ path, redirect, closed }: Rewriting, isLost: boolean): Branch['result'] {
  if (path !== undefined) return { path };
  if (redirect) return { redirect };
  if (closed) return { why: closed.why };
  return isLost ? { why: 'the path of the upstream takes the place of another one here' } : {};
}

/** Whether requests of a branch belong to one before it already, whose rule comes first. */
function covers(before: Branch, { modifier, path }: Branch): boolean {
  if (modifier === '~') return false;
  if (before.modifier === '=') return modifier === '=' && before.path === path;
  return before.modifier === '~'
    ? modifier === '=' && hasMatch(before.path, false, path)
    : path.startsWith(before.path);
}

/** How much of a location's requests is taken. An expression as a location is not looked into. */
function shareOf({ modifier, path }: FlatLocation, taken: Taken, isLoose: boolean): 'all' | 'some' | 'none' {
  if (modifier.startsWith('~')) {
    const [begins, of] = [fixedStart(path), taken.kind === 'pattern' ? taken.begins : taken.literal];
    return isLoose || of.startsWith(begins) || begins.startsWith(of) ? 'all' : 'none';
  }
  if (taken.kind === 'pattern') {
    if (modifier === '=') return hasMatch(taken.source, false, path) ? 'all' : 'none';
    return taken.begins.startsWith(path) || path.startsWith(taken.begins) ? 'some' : 'none';
  }
  const { literal } = taken;
  if (taken.kind === 'prefix' && path.startsWith(literal)) return 'all';
  if (modifier === '=') {
    const isWithin = taken.kind === 'exact' ? path.endsWith(literal) : path.includes(literal);
    return literal === path || (isLoose && isWithin) ? 'all' : 'none';
  }
  return isLoose || literal.startsWith(path) ? 'some' : 'none';
}

/** The path in the place of a location's, or of a branch's; undefined where there is none. */
function pathFrom({ taken, result }: RulePart, { modifier, path }: Pick<FlatLocation, 'modifier' | 'path'>) {
  if (taken.kind === 'pattern' || modifier.startsWith('~') || !path.startsWith(taken.literal)) return undefined;
  if ('why' in result || 'redirect' in result || 'isUntouched' in result) return undefined;
  if ('fixed' in result) return modifier === '=' && result.fixed.startsWith('/') ? result.fixed : undefined;
  const rest = path.slice(taken.literal.length);
  // A slash doubled where the two meet is sent once.
  const whole = result.base + (result.base.endsWith('/') && rest.startsWith('/') ? rest.slice(1) : rest);
  return whole.startsWith('/') ? whole : undefined;
}

/** What becomes of requests that get no other path here. */
function awayOf(part: RulePart): Branch['result'] {
  return 'redirect' in part.result ? { redirect: part.result.redirect } : { why: whyNot(part) };
}

function whyNot({ result }: RulePart): string {
  return 'why' in result ? result.why : 'it takes no fixed text off the paths of the location';
}

/** The gateway answers a path without its closing slash as it does the one with it: nobody gets further by that. */
function isOwnSlash({ directive: { args } }: PathRule, { taken }: RulePart): boolean {
  const [, to = '', flag = ''] = args;
  const isRedirect = /^(?:permanent|redirect)$/.test(flag) || /^(?:https?|\$scheme):/.test(to);
  return isRedirect && taken.kind === 'exact' && to.replace(/^[^/]*:\/\/[^/]+/, '') === `${taken.literal}/`;
}

function branchOf(
  location: FlatLocation,
  rule: PathRule,
  part: RulePart,
  all: readonly FlatLocation[],
): Branch | 'whole' | undefined {
  const { taken } = part;
  const { modifier, path } = location;
  const longer = all.filter((other) => isPrefix(other) && other.path !== path && other.path.startsWith(path));
  // What an expression without an anchor leaves alone is the bare text at the beginning of a path, and nothing else.
  const isUntouched = 'isUntouched' in part.result;
  if (isUntouched && taken.kind !== 'pattern' && !taken.literal.startsWith(path)) return undefined;
  if (taken.kind === 'pattern' || (rule.isLoose && !isUntouched)) {
    if (modifier === '^~') return 'whole';
    const rests = longer.map((other) => escapePattern(other.path.slice(path.length)));
    const region = escapePattern(path) + (rests.length > 0 ? `(?!${rests.join('|')})` : '');
    const source = taken.kind === 'pattern' ? taken.source : escapePattern(taken.literal);
    return { rule, modifier: '~', path: `^(?=${region}).*?(?:${source})`, result: awayOf(part) };
  }
  const { literal } = taken;
  // What another location takes first never comes to the rule.
  if (longer.some((other) => literal.startsWith(other.path))) return undefined;
  const branch = (at: FlatLocation['modifier']): Branch => {
    const made = pathFrom(part, { modifier: at, path: literal });
    return { rule, modifier: at, path: literal, result: made === undefined ? awayOf(part) : { path: made } };
  };
  if (taken.kind === 'prefix') return branch(modifier);
  const isTaken = all.some(
    (other) =>
      (other.modifier === '=' && other.path === literal) ||
      (other.modifier.startsWith('~') && modifier !== '^~' && hasMatch(other.path, other.modifier === '~*', literal)),
  );
  return isTaken ? undefined : branch('=');
}

/** Where rules of a whole server close locations: before one is chosen, nginx has sent the requests elsewhere. */
export function serverBranches(rules: readonly PathRule[]): readonly Branch[] {
  return rules.flatMap((rule) =>
    rule.parts.flatMap(({ taken, result }): Branch[] => {
      const closed =
        'redirect' in result
          ? { redirect: result.redirect }
          : { why: 'why' in result ? result.why : 'nginx looks for a location with the path that it makes' };
      if (taken.kind === 'exact' && !rule.isLoose)
        return [{ rule, modifier: '=', path: taken.literal, result: closed }];
      const source = taken.kind === 'pattern' ? taken.source : (rule.isLoose ? '' : '^') + escapePattern(taken.literal);
      return [{ rule, modifier: '~', path: source === '' ? '^/' : source, result: closed }];
    }),
  );
}

/** Whether a rule of the whole server takes requests of a location that is chosen before any expression. */
export function isTakenFirst({ modifier, path }: FlatLocation, { modifier: of, path: source }: Branch): boolean {
  if (modifier !== '=' && modifier !== '^~') return false;
  if (of === '=') return modifier === '=' && path === source;
  if (modifier === '=') return hasMatch(source, false, path);
  const [, begins = ''] = /^\^((?:[^\\()[\]{}*+?.|^$]|\\[^\w\s])*)/.exec(source) ?? [];
  const literal = begins.replaceAll('\\', '');
  return literal.startsWith(path) || path.startsWith(literal);
}

function isPrefix({ modifier }: FlatLocation): boolean {
  return modifier === '' || modifier === '^~';
}
