/** nginx's common answer to preflights, `if ($request_method = OPTIONS) { add_header …; return 204; }`, as `cors` of a route. */
import type { Findings } from './findings.ts';
import type { Directive } from './parse.ts';
import { type Scope, substitute, type Values, variablesIn } from './scope.ts';

/** `cors` as the configuration writes it. */
export interface CorsWords {
  readonly origins: readonly string[];
  readonly methods?: readonly string[];
  readonly headers?: readonly string[];
  readonly exposeHeaders?: readonly string[];
  readonly credentials?: true;
  readonly maxAge?: string;
}

interface CorsSource {
  readonly scope: Scope;
  readonly http: readonly Directive[];
  readonly server: readonly Directive[];
  readonly own: readonly Directive[];
  readonly values: Values;
}

const what = 'if ($request_method …)';

/** Whether a condition answers OPTIONS, for scripts of other origins: nobody gets further by it. */
export function isPreflight({ args, body = [] }: Directive): boolean {
  const isOptions = /^\(\s*\$request_method\s+(?:=|~\*?)\s+\^?\(?OPTIONS\)?\$?\s*\)$/.test(args.join(' '));
  return isOptions && body.every(({ name, args: [code = ''] }) => name !== 'return' || /^20\d$/.test(code));
}

/** Reads the answer to preflights that a location gives; what a route cannot say of it is said at the route. */
export function readCors(source: CorsSource, findings: Findings): CorsWords | undefined {
  const { own, server, scope } = source;
  const block = [...own, ...server].find((one) => one.name === 'if' && isPreflight(one) && returns(one));
  if (!block) return undefined;
  const inBlock = linesOf(block.body ?? []);
  const outside = own.filter((one) => one === block || isAboutCors(one) || isCondition(one));
  const answers = [
    ...linesOf(scope.all('add_header')),
    ...outside.flatMap(({ name, body }) => (name === 'if' ? linesOf(body ?? []) : [])),
  ];
  const read = wordsOf(inBlock.length > 0 ? inBlock : answers, answers, source);
  if (read === undefined) return undefined;
  if (typeof read === 'string') {
    findings.add('refused', block.place, what, `${read}; write cors: { origins: [ … ] }, or preflight: pass`);
    return undefined;
  }
  const isSaidOfAnswers = outside.some((one) => one !== block) || inBlock.length === 0;
  if (!isSaidOfAnswers || !own.includes(block))
    findings.add('note', block.place, what, 'it became cors, which answers of the application bear, too');
  for (const { place } of outside) findings.translate(place);
  return read;
}

function returns({ body = [] }: Directive): boolean {
  return body.some(({ name }) => name === 'return');
}

function isAboutCors({ name, args }: Directive): boolean {
  return name === 'add_header' && /^access-control-/i.test(args[0] ?? '');
}

/** A condition on the method that adds such lines and does nothing else. */
function isCondition({ name, args, body = [] }: Directive): boolean {
  return name === 'if' && /^\(\s*\$request_method\s/.test(args.join(' ')) && body.length > 0 && body.every(isAboutCors);
}

function linesOf(body: readonly Directive[]): readonly (readonly [name: string, value: string])[] {
  return body.filter(isAboutCors).map(({ args: [name = '', value = ''] }) => [name.toLowerCase(), value.trim()]);
}

type Lines = ReturnType<typeof linesOf>;

/** The words, or why there are none; undefined where no origin is let in. */
function wordsOf(preflight: Lines, answers: Lines, source: CorsSource): CorsWords | string | undefined {
  const find = (lines: Lines, name: string) => lines.find(([one]) => one === `access-control-${name}`)?.[1];
  const value = (name: string) => find(preflight, name) ?? find(answers, name);
  const origin = value('allow-origin');
  if (origin === undefined) return undefined;
  const others = answers.filter(([name, text]) => name === 'access-control-allow-origin' && text !== origin);
  if (others.length > 0) return 'nginx lets one origin ask and another read';
  const isForUsers = value('allow-credentials') === 'true';
  const origins = originsOf(origin, isForUsers, source);
  if (typeof origins === 'string') return origins;
  const isAny = origins.includes('*');
  const [methods, headers] = [listOf(value('allow-methods')), headersOf(value('allow-headers'), isForUsers && !isAny)];
  if (!headers) return 'nginx lets scripts send any header with the cookies of the user';
  const [maxAge, exposed] = [value('max-age'), listOf(value('expose-headers'))];
  return {
    origins,
    ...(methods.length > 0 && { methods: methodsOf(methods) }),
    ...(headers.length > 0 && { headers }),
    ...(exposed.length > 0 && { exposeHeaders: exposed }),
    // Browsers take no cookies along where any origin may ask.
    ...(isForUsers && !isAny && { credentials: true }),
    ...(maxAge !== undefined && /^\d{1,9}$/.test(maxAge) && { maxAge: `${maxAge}s` }),
  };
}

/** Whose scripts nginx lets in, or why that cannot be said. */
function originsOf(written: string, isForUsers: boolean, { http, values }: CorsSource): readonly string[] | string {
  const text = substitute(written, values);
  if (text === '*') return ['*'];
  if (text === '$http_origin') return isForUsers ? 'nginx lets the scripts of any origin act as the user' : ['*'];
  const [variable, ...more] = variablesIn(text);
  if (variable === undefined) return isOrigin(text) ? [text] : 'nginx names no origin that browsers have';
  const map = http.find(({ name, args }) => name === 'map' && args[0] === '$http_origin' && args[1] === `$${variable}`);
  if (!map?.body || more.length > 0) return `the origin depends on $${variable}`;
  const entries = map.body.filter(({ name, args }) => (name === 'default' ? args[0] !== '' : args[0] !== ''));
  const isPlain = entries.every(
    ({ name, args: [value = ''] }) => isOrigin(name) && (value === '$http_origin' || value === name),
  );
  return isPlain && entries.length > 0 ? entries.map(({ name }) => name) : `the origin depends on $${variable}`;
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text;
}

function listOf(text = ''): string[] {
  const items = text.split(',').map((item) => item.trim());
  return [...new Set(items.filter((item) => /^[!#$%&'*+\-.^_`|~\w]+$/.test(item) && !item.startsWith('$')))];
}

function methodsOf(written: readonly string[]): string[] {
  if (written.includes('*')) return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
  const methods = written.map((method) => method.toUpperCase());
  return methods.filter((method) => /^[A-Z][A-Z-]*$/.test(method) && !/^(?:CONNECT|TRACE|OPTIONS)$/.test(method));
}

/** The headers that scripts may send; undefined where any may be sent for the user. */
function headersOf(text: string | undefined, isForUsers: boolean): string[] | undefined {
  const isAny = text === '*' || text === '$http_access_control_request_headers';
  if (!isAny) return listOf(text);
  return isForUsers ? undefined : ['*'];
}
