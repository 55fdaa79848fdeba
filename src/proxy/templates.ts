/**
 * Header templates such as `${subject}`: compiled once from the configuration, rendered for each request into values that
 * no upstream can misread.
 */
import { defaultTenant } from '../core/account.ts';
import { OperatorError } from '../core/errors.ts';
import { firstValue, type Principal } from '../core/principal.ts';
import type { HeaderRule } from '../core/route.ts';
import { Secret } from '../core/secret.ts';
import type { Session } from '../core/session.ts';
import { meaningOf } from './foreign-variables.ts';
import { fold, hopByHop } from './header-names.ts';

/** What upstreams are told unless the configuration says otherwise. */
export const defaultHeaderRules: readonly HeaderRule[] = [
  ['X-Remote-User', 'subject'],
  ['X-Remote-Name', 'name'],
  ['X-Remote-Email', 'email'],
  ['X-Remote-Groups', 'groups'],
  ['X-Remote-Roles', 'roles'],
  ['X-Remote-Provider', 'provider'],
  ['X-Remote-Level', 'level'],
  ['X-Remote-Tenant', 'tenant'],
  ['X-Remote-Company', 'company'],
  ['X-Remote-Privileges', 'privileges'],
].map(([name = '', variable = '']) => ({
  name,
  template: `\${${variable}}`,
  ...(variable === 'tenant' && { needsTenant: true as const }),
}));

/** Under which the signed identity travels; no template may take the name. */
export const assertionHeader = 'x-gatehouse-assertion';

/** Longest value of one header: what common upstreams take in a line. */
export const maxHeaderLength = 8192;
/** Longest sum of all identity headers: leaves room for cookies where an upstream takes 16 KiB in all. */
export const maxIdentityLength = 11_264;

/** Whom a request speaks for. */
export interface HeaderSource {
  readonly principal: Principal;
  readonly session?: Session;
  readonly assertion?: string;
  /** Whose privileges are told; nobody's where it is absent. */
  readonly application?: string | undefined;
}

/** A header whose template has been read. */
export interface CompiledHeader {
  /** In lower case. */
  readonly name: string;
  /** The encoded value; undefined when something it needs is absent. */
  render(identity: HeaderSource | undefined): string | undefined;
}

/** Rendered headers, and the names of those left out because no upstream would take them. */
export interface RenderedHeaders {
  readonly headers: ReadonlyMap<string, string>;
  readonly omitted: readonly string[];
}

type Value = string | readonly string[] | undefined;

/** A template that has been read: text, and what is put in. */
type TemplateParts = readonly (string | ((identity: HeaderSource) => Value))[];

const variables: Readonly<Record<string, (identity: HeaderSource) => Value>> = {
  subject: ({ principal }) => principal.subject,
  name: ({ principal }) => firstValue(principal, 'name'),
  email: ({ principal }) => firstValue(principal, 'email'),
  groups: ({ principal }) => principal.attributes.groups,
  roles: ({ principal }) => [...principal.roles].sort(),
  provider: ({ principal }) => principal.provider,
  level: ({ principal }) => principal.level?.toString(),
  amr: ({ principal }) => principal.amr,
  tenant: ({ principal }) => principal.tenant,
  tenantId: ({ principal }) => principal.tenantId,
  company: ({ principal }) => principal.company,
  privileges: privilegesAt,
  session: ({ session }) => session?.id,
  assertion: ({ assertion }) => assertion,
};

/** What somebody may do in the application of a route. */
export function privilegesAt({ principal, application }: HeaderSource): readonly string[] | undefined {
  return application === undefined ? undefined : principal.privileges?.get(application);
}

/** A claim cannot hold the token that it stands in. */
const variablesOfClaims = Object.keys(variables).filter((name) => name !== 'assertion');

const knownOf = (names: readonly string[]): string =>
  `there are ${[...names, 'attribute:NAME'].map((name) => `\${${name}}`).join(' ')}`;
const knownWords = knownOf(Object.keys(variables));

/**
 * Parts of a template that read like a variable and are sent as they stand, such as nginx's `$remote_user`: each with what to
 * write, or that there is none.
 */
export function literalVariables(template: string): { readonly text: string; readonly hint: string }[] {
  return [...template.matchAll(/\$(?:([A-Za-z_]\w*)|\(([A-Za-z_]\w*)\))/g)].map(([text, plain, inner]) => {
    const { ours, why } = meaningOf(plain ?? inner ?? '', Object.keys(variables));
    return { text, hint: `${ours === undefined ? why : `write \${${ours}}`}; ${knownWords}` };
  });
}

const forbidden: ReadonlySet<string> = new Set([...hopByHop, 'host', 'content-length', 'cookie', assertionHeader]);

/** Reads templates; of two rules for one name, however spelt, the later counts. Throws an OperatorError for a bad one. */
export function compileTemplates(rules: readonly HeaderRule[]): readonly CompiledHeader[] {
  const compiled = new Map<string, CompiledHeader>();
  for (const rule of rules) compiled.set(fold(rule.name), compileRule(rule));
  return [...compiled.values()];
}

/**
 * Renders every header that has a value; `others` is the length of identity headers set elsewhere.
 *
 * What is too long is left out and named: a user with five hundred groups must not get 431 from every upstream. When the
 * sum is too long, the longest goes first.
 */
export function renderTemplates(
  compiled: readonly CompiledHeader[],
  identity: HeaderSource | undefined,
  others = 0,
): RenderedHeaders {
  const headers = new Map<string, string>();
  const omitted: string[] = [];
  let length = others;
  for (const header of compiled) {
    const value = header.render(identity);
    if (value === undefined) continue;
    if (value.length > maxHeaderLength) {
      omitted.push(header.name);
      continue;
    }
    headers.set(header.name, value);
    length += header.name.length + value.length + 4;
  }
  while (length > maxIdentityLength && headers.size > 0) {
    const [name, value] = [...headers].reduce((longest, entry) =>
      entry[1].length > longest[1].length ? entry : longest,
    );
    headers.delete(name);
    omitted.push(name);
    length -= name.length + value.length + 4;
  }
  return { headers, omitted };
}

/**
 * Writes a value in printable ASCII: control characters, `%` and all beyond ASCII as percent-encoded UTF-8, and spaces at
 * the ends too, which HTTP would cut off. `decodeURIComponent` and its like give the value back.
 */
export function encodeValue(value: string): string {
  const spelt = value.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]+/g, percent);
  // Not by ` +$`, which reads a run of spaces within the value once for each of them.
  const rest = spelt.trimStart();
  const bare = rest.trimEnd();
  return '%20'.repeat(spelt.length - rest.length) + bare + '%20'.repeat(rest.length - bare.length);
}

/** Lists are joined by commas; a comma within one of their values is percent-encoded like the rest. */
function encodeList(values: readonly string[]): string {
  return values.map((value) => encodeValue(value).replaceAll(',', '%2C')).join(',');
}

/** RFC 8187's extended value: all but its `attr-char` as percent-encoded UTF-8, and the charset said in front. */
function encodeExtended(value: string): string {
  return `UTF-8''${value.toWellFormed().replace(/[^A-Za-z0-9!#$&+.^_`|~-]+/g, percent)}`;
}

function percent(text: string): string {
  return Array.from(Buffer.from(text, 'utf8'), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
    '',
  );
}

function compileRule({ name, template, encoding, needsTenant }: HeaderRule): CompiledHeader {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(name))
    throw new OperatorError(`headers.${name}: no such header can be set`, 'use letters, digits and hyphens');
  if (forbidden.has(fold(name)))
    throw new OperatorError(`headers.${name}: the gateway sets this header itself`, 'choose another name');
  if (template instanceof Secret) {
    const value = secretValue(name, template);
    return { name: name.toLowerCase(), render: () => value };
  }
  const parts = readTemplate(`headers.${name}`, template);
  const extended = encoding === 'rfc8187';
  return {
    name: name.toLowerCase(),
    render(identity) {
      if (needsTenant && identity?.principal.tenant === defaultTenant) return undefined;
      let text = '';
      for (const part of parts) {
        if (typeof part === 'string') {
          text += part;
          continue;
        }
        const value = identity && present(part(identity));
        if (value === undefined || value.length === 0) return undefined;
        if (extended) text += typeof value === 'string' ? value : encodeList(value);
        else text += typeof value === 'string' ? encodeValue(value) : encodeList(value);
      }
      return extended ? encodeExtended(text) : text;
    },
  };
}

/** A secret as it goes upstream; nothing in it is a variable. */
function secretValue(header: string, secret: Secret): string {
  const value = secret.reveal();
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) || value.length > maxHeaderLength)
    throw new OperatorError(
      `headers.${header}: the secret must be one line of printable ASCII without spaces at its ends, of up to ${maxHeaderLength} characters`,
      'store the value as the header has it, such as "Basic " and user:password in Base64',
    );
  return value;
}

/** A value without what is empty in a list. */
export function present(value: Value): Value {
  return typeof value === 'object' ? value.filter((item) => item !== '') : value;
}

/** Reads a template of a header or, `forClaim`, of a claim; throws an OperatorError that begins with its place. */
export function readTemplate(place: string, template: string, { forClaim = false } = {}): TemplateParts {
  const names = forClaim ? variablesOfClaims : Object.keys(variables);
  if (template === '' || /[^\x20-\x7e]/.test(template) || template !== template.trim())
    throw new OperatorError(
      `${place}: the template must be printable ASCII, not empty, without spaces at its ends`,
      knownOf(names),
    );
  return template
    .split(/(\$\{[^}]*\}?)/)
    .filter((part) => part !== '')
    .map((part) => (part.startsWith('${') ? variable(place, part, names) : part));
}

function variable(place: string, written: string, names: readonly string[]): (identity: HeaderSource) => Value {
  const name = /^\$\{(.*)\}$/.exec(written)?.[1] ?? '';
  const attribute = /^attribute:([^\s}]{1,128})$/.exec(name)?.[1];
  if (attribute !== undefined) return ({ principal }) => principal.attributes[attribute];
  const found = variables[name];
  if (found && names.includes(name)) return found;
  const { ours, why } = meaningOf(name, names);
  const hint = ours === undefined ? `${why}; ${knownOf(names)}` : `did you mean \${${ours}}? ${knownOf(names)}`;
  throw new OperatorError(`${place}: there is no variable ${written}`, hint);
}
