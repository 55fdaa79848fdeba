/** Every kind of provider, a line each: the name is the `type:` in the configuration. */
export { cas } from './cas/index.ts';
export { kerberos } from './kerberos/index.ts';
export { ldap } from './ldap/index.ts';
export { local } from './local/index.ts';
export { oidc } from './oidc/index.ts';
export { radius } from './radius/index.ts';
