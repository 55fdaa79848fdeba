/** `proxy_set_header` in our words: the Host, WebSockets, and identity as templates. */
import type { Findings } from './findings.ts';
import type { Directive } from './parse.ts';
import type { RouteData } from './route-data.ts';
import { type Scope, substitute, type Values } from './scope.ts';

/** What a location's headers come to. */
interface ReadHeaders {
  readonly preserveHost: boolean;
  readonly websocket: boolean;
  readonly headers: NonNullable<RouteData['headers']>;
}

/** Values of variables: those that every request has, and with them those that are fixed for this server and host. */
interface HeaderValues {
  readonly fixed: Values;
  readonly all: Values;
}

/** The gateway sends these itself, with what nginx would say. */
const sent = /^(?:x-forwarded-(?:for|proto|host|port)|x-request-id|traceparent)$/;
/** They are about a connection, and the gateway's own. */
const ofConnection =
  /^(?:connection|proxy-.*|te|trailer|keep-alive|transfer-encoding|content-length|http2-settings|expect|proxy)$/;
/** No client can send these, whatever the configuration says. */
const closed = /^(?:forwarded|x-forwarded.*|x-original-.*|x-gatehouse-.*|x-real-ip|x-rewrite-url|x-request-id|proxy)$/;
/** Browsers send these to every application: a name that one route sets is closed to clients on all of them. */
const common =
  /^(?:accept.*|range|if-.*|origin|referer|user-agent|cookie|authorization|content-.*|cache-control|pragma|dnt|sec-.*|date|from|priority|upgrade-insecure-requests|save-data|last-event-id|x-requested-with|soapaction|x-(?:csrf|xsrf)-token)$/;

/** Headers that programs which are asked about requests answer with, and identity providers' variables. */
const identity: readonly (readonly [template: string, pattern: RegExp])[] = [
  ['subject', /^(?:user|username|login|subject|sub|uid|preferred_username)$/],
  ['email', /^e?mail$/],
  ['name', /^(?:name|fullname|full_name|display_?name|cn)$/],
  ['groups', /^groups?$/],
  ['roles', /^roles?$/],
  ['provider', /^provider$/],
];
const answer =
  /^upstream_http_(?:x_)?(?:(?:remote|auth_request|auth|authentik|forwarded|webauth|vouch_idp_claims|vouch)_)?(\w+)$/;
/** What the gateway tells every upstream without being told to. */
const defaults = new Map(
  [['user', 'subject'], ...['name', 'email', 'groups', 'roles', 'provider'].map((name) => [name, name] as const)].map(
    ([header, variable]) => [`x-remote-${header}`, `\${${variable}}`],
  ),
);
const hosts = /^\$(?:host|http_host|server_name)(?::\$server_port)?$/;

/** Reads the headers of a location; `upstreamHost` is what the upstream is called by the gateway. */
export function readHeaders(scope: Scope, values: HeaderValues, upstreamHost: string, findings: Findings): ReadHeaders {
  const headers: Record<string, string | false> = {};
  let preserveHost = false;
  let websocket = false;
  for (const directive of scope.all('proxy_set_header')) {
    const [name = '', written = ''] = directive.args;
    const value = substitute(written, values.fixed);
    switch (name.toLowerCase()) {
      case 'host':
        preserveHost = readHost(directive, value, upstreamHost, findings);
        break;
      case 'upgrade':
        websocket = value !== '';
        break;
      default: {
        const template = readHeader(directive, values, findings);
        if (template !== undefined && defaults.get(name.toLowerCase()) !== template) headers[name] = template;
      }
    }
  }
  return { preserveHost, websocket, headers };
}

function readHost({ args, place }: Directive, value: string, upstreamHost: string, findings: Findings): boolean {
  if (hosts.test(value)) return true;
  if (value !== '$proxy_host' && value !== upstreamHost && value !== '')
    findings.add(
      'refused',
      place,
      `proxy_set_header Host ${args[1]}`,
      'upstreams are told the visitor’s Host or their own',
    );
  return false;
}

/** The template for a header, or `false` for one that is not sent; undefined where there is nothing to write. */
function readHeader(
  { args, place }: Directive,
  { fixed, all }: HeaderValues,
  findings: Findings,
): string | false | undefined {
  const [name = '', written = ''] = args;
  const folded = name.toLowerCase();
  const what = `proxy_set_header ${name}`;
  const ignore = (why: string): undefined => findings.add('ignored', place, what, why) as undefined;
  const refuse = (why: string): false | undefined => {
    findings.add('refused', place, what, why);
    // What nginx overwrites no client may send in its place.
    return common.test(folded) || closed.test(folded) || !writable.test(name) ? undefined : false;
  };
  const value = substitute(written, fixed);
  if (ofConnection.test(folded)) return ignore('the connection to the upstream is the gateway’s own');
  const isOwn = value === `$http_${folded.replaceAll('-', '_')}`;
  const isScheme = folded === 'x-forwarded-proto' && value === all.get('scheme');
  if (sent.test(folded) && (isScheme || value.includes('$'))) return ignore('the gateway sends it itself');
  if (isOwn && !closed.test(folded)) return ignore('it goes on as it came, without what is the gateway’s own');
  if (/^(?:cookie|authorization)$/.test(folded) && /^\$upstream_http_(?:cookie|authorization)$/.test(value))
    return ignore('it goes on, without what is the gateway’s own');
  if (value === '') return readEmpty(folded, refuse, ignore);
  return readTemplate(name, substitute(value, all), refuse);
}

const writable = /^[A-Za-z0-9-]{1,64}$/;

/** nginx sends no header for an empty value. */
function readEmpty(
  name: string,
  refuse: (why: string) => false | undefined,
  ignore: (why: string) => undefined,
): false | undefined {
  if (sent.test(name)) return refuse('the gateway sends it all the same');
  if (closed.test(name)) return ignore('the gateway keeps clients from sending it');
  if (common.test(name)) return refuse('what browsers send to every application cannot be taken away');
  return false;
}

function readTemplate(
  name: string,
  value: string,
  refuse: (why: string) => false | undefined,
): string | false | undefined {
  const folded = name.toLowerCase();
  const template = value.replace(/\$(?:\{(\w+)\}|(\w+))/g, (written, braced?: string, bare?: string) => {
    const variable = identityOf(braced ?? bare ?? '');
    return variable === undefined ? written : `\${${variable}}`;
  });
  const hasIdentity = template !== value;
  const isOpen = /\$(?!\{(?:subject|email|name|groups|roles|provider)\})/.test(template);
  if (folded === 'x-real-ip') return refuse('the address of the client is the last one of X-Forwarded-For');
  if (isOpen) return refuse('there is no template for its value');
  if (!writable.test(name) || folded === 'cookie') return refuse('no template may set this name');
  if (!hasIdentity && /auth|token|secret|password|credential|signature|jwt|key/.test(folded))
    return refuse('it may hold a secret, which is not written down; set it under headers of the route');
  if (common.test(folded) && folded !== 'authorization')
    return refuse('set it under headers of the route, which closes the name to clients on every route');
  return template === template.trim() && /^[\x20-\x7e]*$/.test(template) ? template : refuse('it is not plain ASCII');
}

function identityOf(variable: string): string | undefined {
  if (variable === 'remote_user') return 'subject';
  const [, last] = answer.exec(variable) ?? [];
  return last === undefined ? undefined : identity.find(([, pattern]) => pattern.test(last))?.[0];
}
