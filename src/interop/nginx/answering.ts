/** What nginx answers by itself, `return` and a `rewrite` that sends browsers elsewhere, in the words of our routes. */
import { substitute, type Values, variablesIn } from './scope.ts';

/** What a route has in the place of an upstream, as the configuration writes it. */
export interface AnswerWords {
  readonly redirect?: string | { readonly to: string; readonly status: number };
  readonly respond?: { readonly status: number; readonly body?: string; readonly type?: string };
}

/** Where browsers are sent; with what is said at the route. */
export interface Redirect {
  readonly to: string;
  readonly status: number;
  readonly note?: string;
}

/** An answer in the words of a route, or why there is none. */
type ReadAnswer = AnswerWords | { readonly why: string };

const uri = `\${uri}`;
const own = /^\$scheme:\/\/\$(?:host|http_host|server_name)(?=[/$]|$)/;
const asked = /\$\{?request_uri\b\}?|\$\{?(?:document_)?uri\b\}?(?:\$is_args\$args|\?\$args)/;

/** Reads a `return` that has an answer; undefined for one that only shuts a location. */
export function readAnswer(args: readonly string[], values: Values, type: string): ReadAnswer | undefined {
  const [first = '', ...rest] = args;
  const isCode = /^\d{3}$/.test(first);
  const status = isCode ? Number(first) : 302;
  const text = isCode ? rest[0] : first;
  if (/^30[12378]$/.test(String(status))) return text === undefined ? undefined : redirectOf(text, values, status);
  if (text === undefined && status >= 400) return undefined;
  const body = substitute(text ?? '', values);
  const [variable] = variablesIn(body);
  if (variable !== undefined) return { why: `nginx answers with $${variable}, which depends on the request` };
  return { respond: { status, ...(body !== '' && { body, ...(type !== 'text/plain' && { type }) }) } };
}

/** A redirect as a route writes it. */
export function redirectWords({ to, status }: Redirect): NonNullable<AnswerWords['redirect']> {
  return status === 302 ? to : { to, status };
}

/** Where a text of nginx's leads, with our variable in it; or why that cannot be said. */
export function destination(written: string, values: Values): string | { readonly why: string } {
  const to = substitute(
    written.replace(own, '').replace(asked, () => uri),
    values,
  );
  const [variable] = variablesIn(to.replaceAll(uri, ''));
  if (variable !== undefined)
    return { why: `nginx sends browsers where $${variable} says, which depends on the request` };
  return to === '' ? '/' : to;
}

function redirectOf(text: string, values: Values, status: number): ReadAnswer {
  const to = destination(text, values);
  return typeof to === 'string' ? { redirect: redirectWords({ to, status }) } : to;
}

/**
 * The redirect of a `rewrite`. What it keeps of a path can be said where that is the whole path: `kept` is the text before
 * it in the replacement, `literal` the beginning of the paths that the rule takes off.
 */
export function redirectOfRewrite(
  written: string,
  flag: string,
  kept: { readonly base: string; readonly literal: string } | undefined,
): Redirect | { readonly why: string } {
  const status = flag === 'permanent' ? 301 : 302;
  const dropsQuery = written.endsWith('?');
  if (kept) {
    if (dropsQuery || !kept.base.endsWith(kept.literal))
      return { why: 'nginx sends browsers elsewhere, with a part of what was asked for' };
    return { to: kept.base.slice(0, kept.base.length - kept.literal.length).replace(own, '') + uri, status };
  }
  const to = destination(dropsQuery ? written.slice(0, -1) : written, new Map());
  if (typeof to !== 'string') return to;
  const note = 'nginx adds the query that was asked for; here it is left out.';
  return { to, status, ...(!dropsQuery && !to.includes(uri) && { note }) };
}
