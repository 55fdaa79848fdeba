/** `proxy_set_header` in our words: the Host, WebSockets, and identity as templates. */
import type { Findings } from './findings.ts';
import type { Directive } from './parse.ts';
import { type Scope, substitute, type Values } from './scope.ts';

/** What a location's headers come to. */
export interface ReadHeaders {
  readonly preserveHost: boolean;
  readonly websocket: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

/** Set or taken away by the gateway itself, whatever the value. */
const own =
  /^(?:x-forwarded-.*|x-original-.*|x-real-ip|x-client-ip|x-scheme|forwarded|x-request-id|traceparent|via|proxy|connection|te|x-remote-.*|x-gatehouse-.*|http2-settings|proxy-.*|keep-alive|content-length|transfer-encoding)$/;

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
export function readHeaders(scope: Scope, values: Values, upstreamHost: string, findings: Findings): ReadHeaders {
  const headers: Record<string, string> = {};
  let preserveHost = false;
  let websocket = false;
  for (const directive of scope.all('proxy_set_header')) {
    const [name = '', written = ''] = directive.args;
    const value = substitute(written, values);
    switch (name.toLowerCase()) {
      case 'host':
        preserveHost = readHost(directive, value, upstreamHost, findings);
        break;
      case 'upgrade':
        websocket = value !== '';
        break;
      default: {
        const template = readTemplate(directive, value, findings);
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

/** The template for a header, or undefined where it has none; then that is said. */
function readTemplate({ args, place }: Directive, value: string, findings: Findings): string | undefined {
  const [name = ''] = args;
  const folded = name.toLowerCase();
  const refuse = (why: string): undefined =>
    findings.add('refused', place, `proxy_set_header ${name}`, why) as undefined;
  const template = value.replace(/\$(?:\{(\w+)\}|(\w+))/g, (written, braced?: string, bare?: string) => {
    const variable = identityOf(braced ?? bare ?? '');
    return variable === undefined ? written : `\${${variable}}`;
  });
  const hasIdentity = template !== value;
  const isOpen = /\$(?!\{(?:subject|email|name|groups|roles|provider)\})/.test(template);
  if (own.test(folded) && (!hasIdentity || isOpen)) {
    findings.add(
      'ignored',
      place,
      `proxy_set_header ${name}`,
      'the gateway sets it itself, or keeps clients from setting it',
    );
    return undefined;
  }
  if (/^(?:cookie|authorization)$/.test(folded) && /^\$(?:upstream_)?http_(?:cookie|authorization)$/.test(value)) {
    findings.add('ignored', place, `proxy_set_header ${name}`, 'it goes on, without what is the gateway’s own');
    return undefined;
  }
  if (value === '') return refuse('a header of the client cannot be taken away');
  if (isOpen) return refuse('there is no template for its value');
  if (!/^[A-Za-z0-9-]{1,64}$/.test(name) || folded === 'cookie') return refuse('no template may set this name');
  if (!hasIdentity && /auth|token|secret|password|credential|signature|jwt|key/.test(folded))
    return refuse('it may hold a secret, which is not written down; set it under headers of the route');
  return template === template.trim() && /^[\x20-\x7e]*$/.test(template) ? template : refuse('it is not plain ASCII');
}

function identityOf(variable: string): string | undefined {
  if (variable === 'remote_user') return 'subject';
  const [, last] = answer.exec(variable) ?? [];
  return last === undefined ? undefined : identity.find(([, pattern]) => pattern.test(last))?.[0];
}
