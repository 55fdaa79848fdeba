/** What variables of other gateways, such as nginx's `$remote_user`, are called here; what else brings the value where nothing is. */
import { nearest } from '../config/nearest.ts';

/** What other gateways and applications call the variables of ours. */
const otherNames: Readonly<Record<string, readonly string[]>> = {
  subject: ['remote_user', 'user', 'username', 'user_name', 'login', 'uid', 'sub', 'userid', 'user_id', 'auth_user'],
  name: ['cn', 'displayname', 'fullname', 'full_name', 'display_name', 'remote_name'],
  email: ['mail', 'e_mail', 'remote_email', 'user_email'],
  groups: ['group', 'memberof', 'remote_groups', 'user_groups'],
  roles: ['role', 'user_roles'],
  provider: ['realm'],
  session: ['session_id'],
};

/** Where a header of a request or of a login's answer tells of the user, its name without these. */
const ofHeader = /^(?:upstream_http_|sent_http_|http_)/;
const ofUser = /^(?:x_)?(?:auth_request_|authentik_|authelia_|forwarded_|proxy_|remote_|webauth_)?(?:preferred_)?/;

/** Values that no variable has: of each the pattern of its name, and what stands in its place. */
const otherwise: readonly (readonly [RegExp, string])[] = [
  [
    /^(?:(?:binary_|realip_)?remote_(?:addr|port)|proxy_add_x_forwarded_for|proxy_protocol_(?:addr|port)|http_(?:x_)?(?:forwarded_for|real_ip|client_ip)|client_ip|client_addr(?:ess)?|src)$/,
    'none is the client’s address: every upstream is sent it in X-Forwarded-For, without a template',
  ],
  [
    /^(?:https?|scheme|http_x_forwarded_proto|request_scheme)$/,
    'none is the scheme: every upstream is sent it in X-Forwarded-Proto, without a template',
  ],
  [
    /^(?:host|hostname|http_host|server_name|http_x_forwarded_host|server_port|http_x_forwarded_port)$/,
    'none is the host: every upstream is sent it in X-Forwarded-Host and X-Forwarded-Port, and in Host unless preserveHost is false',
  ],
  [/^http_(?:cookie|authorization)$/, 'none is that header: what the application may see of it goes on by itself'],
  [
    /^http_(?:x_)?ssl_|^ssl_/,
    'none is of TLS or of a client certificate: write false in the place of the template, so that no client sends the header',
  ],
  [/^http_/, 'none is a header of the request: what a client sends goes on under its own name, without a template'],
  [/^(?:upstream_|sent_)/, 'none is of an answer'],
  [
    /^(?:request(?:_uri|_method|_body|_length)?|uri|document_uri|args|is_args|query_string|arg_\w+|method|path)$/,
    'none is of the request line or the body: they reach the upstream as they are',
  ],
  [/^cookie_/, 'none is a cookie: those of the application reach it in Cookie'],
];

/** What to write for a name that is no variable of ours: the likeliest of `ours`, or what there is in its place. */
export function meaningOf(name: string, ours: readonly string[]): { readonly ours?: string; readonly why: string } {
  const folded = name.toLowerCase().replaceAll('-', '_');
  const claim = /^(?:jwt_claim|oidc_claim|ldap|attribute|attr)_(\w+)$/.exec(folded)?.[1];
  if (claim !== undefined) return { ours: named(claim, ours) ?? `attribute:${name.slice(-claim.length)}`, why: '' };
  const header = folded.replace(ofHeader, '');
  const user = header === folded ? undefined : header.replace(ofUser, '').replaceAll('_', '');
  const meant = named(folded, ours) ?? (user === undefined ? undefined : named(user, ours));
  if (meant !== undefined) return { ours: meant, why: '' };
  const [, why] = otherwise.find(([pattern]) => pattern.test(folded)) ?? [];
  if (why !== undefined) return { why };
  const near = nearest(name, ours);
  return near === undefined ? { why: 'none has its meaning' } : { ours: near, why: '' };
}

function named(name: string, ours: readonly string[]): string | undefined {
  if (ours.includes(name)) return name;
  return Object.entries(otherNames).find(([, others]) => others.includes(name))?.[0];
}
