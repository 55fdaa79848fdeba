/**
 * One `rewrite` of nginx, or an `if` on the path that sends requests elsewhere: which paths it takes, and what it makes of
 * them. Expressions that take a fixed beginning or a single path are read as that; others stay expressions.
 */
import { type Redirect, redirectOfRewrite } from './answering.ts';
import { conditionText } from './findings.ts';
import type { Directive } from './parse.ts';
import { fixedStart, readPattern } from './pattern.ts';
import { substitute, type Values } from './scope.ts';

/** Paths that a rule takes. */
export type Taken =
  | { readonly kind: 'prefix' | 'exact'; readonly literal: string }
  /** An expression in JavaScript's words; `begins` is the literal text that all it takes begins with. */
  | { readonly kind: 'pattern'; readonly source: string; readonly begins: string };

/**
 * What becomes of them: `base` stands in the place of the literal text, `fixed` in the place of the whole path; else they go
 * where no route can say. `isUntouched`: the rule leaves them to those behind it.
 */
type RuleResult =
  | { readonly base: string }
  | { readonly fixed: string }
  | { readonly why: string }
  | { readonly redirect: Redirect }
  | { readonly isUntouched: true };

/** Paths that are treated alike. */
export interface RulePart {
  readonly taken: Taken;
  readonly result: RuleResult;
}

/** A rule; of its parts, the first that takes a path counts. */
export interface PathRule {
  readonly directive: Directive;
  readonly what: string;
  readonly parts: readonly RulePart[];
  /** An expression without `^` also takes paths that have the literal text further on. */
  readonly isLoose: boolean;
}

/** A literal beginning and what follows it: the group of the rest, and what stands between. */
interface Shape {
  readonly literal: string;
  readonly rest: number;
  /** `slash`: the rest begins with a slash of its group; `optional`: a slash may stand before it; `full`: it is not empty. */
  readonly joint: 'plain' | 'slash' | 'slash-or-end' | 'optional' | 'full' | 'none' | 'end';
}

const endings: readonly (readonly [ending: RegExp, joint: Shape['joint'], rest: number])[] = [
  [/^(?:\.\*\$?)?$/, 'none', 0],
  [/^\$$/, 'end', 0],
  [/^\(\.\*\)\$?$/, 'plain', 1],
  [/^\(\.\+\)\$?$/, 'full', 1],
  [/^\/\?\(\.\*\)\$?$/, 'optional', 1],
  [/^\(\/\.\*\)\$?$/, 'slash', 1],
  [/^\(\/\.\*\)\?\$?$/, 'slash-or-end', 1],
  [/^\((?:\/\|\$|\$\|\/)\)\(\.\*\)\$?$/, 'slash-or-end', 2],
];

const noPath = 'what it makes is no path';
const depends = 'what it makes depends on the request';
const redirects = /^(?:https?:\/\/|\$scheme\b)/i;
const paths = /^(?:uri|document_uri|request_uri)$/;

/** Reads a `rewrite`; `isFinal` when nothing of nginx's rules comes after it, as with `break`. */
export function readRewrite(directive: Directive, isFinal: boolean, values: Values): PathRule {
  const [pattern = '', written = '', flag = ''] = directive.args;
  const { expression, replacement } = withoutName(pattern, substitute(written, values));
  const why = unsaid(replacement, flag, isFinal);
  const what = `rewrite ${directive.args.join(' ')}`;
  const isLoose = !expression.startsWith('^');
  const shape = shapeOf(expression);
  if (isRedirect(replacement, flag))
    return { directive, what, parts: redirectParts(pattern, shape, replacement, flag, isLoose), isLoose };
  if (!shape)
    return {
      directive,
      what,
      parts: patternParts(pattern, { why: why ?? 'its expression takes no fixed text off' }),
      isLoose,
    };
  return {
    directive,
    what,
    parts:
      why === undefined ? partsOf(shape, replacement) : takenBy(shape).map((taken) => ({ taken, result: { why } })),
    isLoose,
  };
}

/** Reads an `if` on the path whose requests nginx answers or sends elsewhere; undefined for any other. */
export function readPathCondition(directive: Directive): PathRule | undefined {
  const [, variable = '', sign = '', pattern = ''] =
    /^\(\s*\$(\w+)\s+(~\*?|=)\s+(.+?)\s*\)$/s.exec(directive.args.join(' ')) ?? [];
  if (!paths.test(variable) || !turnsAway(directive)) return undefined;
  const why = 'nginx answers these requests by itself, or sends them elsewhere';
  const shape = sign === '~' && pattern.startsWith('^') ? shapeOf(pattern) : undefined;
  const taken: readonly Taken[] = sign === '=' ? [{ kind: 'exact', literal: pattern }] : shape ? takenBy(shape) : [];
  const parts =
    taken.length > 0
      ? taken.map((one) => ({ taken: one, result: { why } }))
      : patternParts(sign === '~*' ? `(?i)${pattern}` : pattern, { why });
  return { directive, what: conditionText(directive), parts, isLoose: false };
}

/** Whether an `if` keeps requests from the upstream of its location. */
export function turnsAway({ body = [] }: Directive): boolean {
  return body.some(({ name }) => /^(?:return|rewrite|deny)$|_pass$/.test(name));
}

/** A single group with a name is as good as one with a number. */
function withoutName(pattern: string, replacement: string) {
  const [whole, name = ''] = /\(\?P?<(\w+)>/.exec(pattern) ?? [];
  if (whole === undefined || pattern.split('(').length > 2) return { expression: pattern, replacement };
  return {
    expression: pattern.replace(whole, '('),
    replacement: replacement.replaceAll(`\${${name}}`, '$1').replace(new RegExp(`\\$${name}\\b`, 'g'), () => '$1'),
  };
}

/** Why the result of a rewrite is nothing that a route can say, whatever it takes. */
function unsaid(replacement: string, flag: string, isFinal: boolean): string | undefined {
  if (isRedirect(replacement, flag)) return 'nginx sends browsers elsewhere';
  if (flag !== 'break' && !(flag === '' && isFinal))
    return 'nginx looks for another location with the path that it makes';
  return replacement.includes('?') ? 'it changes the query' : undefined;
}

function isRedirect(replacement: string, flag: string): boolean {
  return /^(?:redirect|permanent)$/.test(flag) || redirects.test(replacement);
}

/** The parts of a rule that sends browsers elsewhere. */
function redirectParts(pattern: string, shape: Shape | undefined, replacement: string, flag: string, isLoose: boolean) {
  const [, base, group = ''] = /^(.*)\$\{?(\d)\}?$/s.exec(replacement) ?? [];
  // Of a beginning that something must follow, the beginning itself is not sent anywhere.
  const isAlone = shape?.joint !== 'full' && !/\$\{?\d/.test(replacement);
  const isWhole = shape && Number(group) === shape.rest && /^(?:plain|slash)$/.test(shape.joint);
  const isKept = isWhole && base !== undefined && !base.includes('$') && !(isLoose && shape.literal !== '');
  const kept = isKept ? { base, literal: shape.literal } : undefined;
  const made =
    kept || isAlone
      ? redirectOfRewrite(replacement, flag, kept)
      : { why: 'nginx sends browsers elsewhere, with a part of what was asked for' };
  const result: RuleResult = 'why' in made ? made : { redirect: made };
  if (!shape) return patternParts(pattern, result);
  return takenBy(shape).map((taken): RulePart => ({ taken, result }));
}

function shapeOf(expression: string): Shape | undefined {
  const [, literal = '', ending = ''] =
    /^\^?((?:[^\\()[\]{}*+?.|^$]|\\[^\w\s])*?)(\/\?\(.*|[(.$].*)?$/s.exec(expression) ?? [];
  if (!/^\^?/.test(expression) || `${expression.startsWith('^') ? '^' : ''}${literal}${ending}` !== expression)
    return undefined;
  const found = endings.find(([pattern]) => pattern.test(ending));
  return found && { literal: literal.replaceAll('\\', ''), joint: found[1], rest: found[2] };
}

/** What a shape takes; a longer beginning stands before a shorter one. */
function takenBy({ literal, joint }: Shape): readonly Taken[] {
  switch (joint) {
    case 'end':
      return [{ kind: 'exact', literal }];
    case 'slash':
      return [{ kind: 'prefix', literal: `${literal}/` }];
    case 'slash-or-end':
      return [
        { kind: 'exact', literal },
        { kind: 'prefix', literal: `${literal}/` },
      ];
    case 'optional':
      return [
        { kind: 'prefix', literal: `${literal}/` },
        { kind: 'prefix', literal },
      ];
    default:
      return [{ kind: 'prefix', literal }];
  }
}

function partsOf(shape: Shape, replacement: string): RulePart[] {
  const { literal, joint, rest } = shape;
  const [, base, first, group = ''] =
    /^([^$]*)(\$1(?=\$))?\$(\d)$/.exec(replacement.replace(/\$\{(\d)\}/g, '$$$1')) ?? [];
  const isKept = base !== undefined && Number(group) === rest && (first === undefined || rest === 2);
  const bare = replacement.replace(/\$(?:\d|\{\d\})/g, '');
  const alone: RuleResult =
    bare.includes('$') || bare === '' ? { why: bare === '' ? noPath : depends } : { fixed: bare };
  if (joint === 'none') return takenBy(shape).map((taken) => ({ taken, result: alone }));
  // The slash is a part of the group that is kept.
  const hasSlash = first !== undefined || (rest === 1 && /slash/.test(joint));
  const result: RuleResult = isKept ? { base: hasSlash ? `${base}/` : base } : { why: depends };
  const parts = takenBy(shape).map((taken) => ({ taken, result: taken.kind === 'exact' ? alone : result }));
  // What is left of a path must begin with a slash, or nginx sends nothing.
  if (joint === 'plain' && isKept && base === '' && !literal.endsWith('/')) {
    const slash: RulePart = { taken: { kind: 'prefix', literal: `${literal}/` }, result: { base: '/' } };
    return [slash, { taken: { kind: 'prefix', literal }, result: { why: noPath } }];
  }
  // Where something must follow, the path without it goes on as it came.
  if (joint === 'full') return [{ taken: { kind: 'exact', literal }, result: { isUntouched: true } }, ...parts];
  // A slash doubled where the two meet is sent once.
  return joint === 'optional' && base?.endsWith('/') ? parts.slice(1) : parts;
}

function patternParts(pattern: string, result: RuleResult): RulePart[] {
  const reading = readPattern(pattern);
  if (reading.kind === 'unreadable') {
    // More paths than the expression takes: these may be closed, not sent elsewhere.
    const closed: RuleResult = 'redirect' in result ? { why: 'its expression cannot be read' } : result;
    return [{ taken: { kind: 'prefix', literal: reading.begins }, result: closed }];
  }
  const source = reading.insensitive ? `(?i:${reading.source})` : reading.source;
  return [{ taken: { kind: 'pattern', source, begins: reading.insensitive ? '' : fixedStart(pattern) }, result }];
}
