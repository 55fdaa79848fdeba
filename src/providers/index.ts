/** Every kind of provider, a line each: the name is the `type:` in the configuration. */
export { ldap } from './ldap/index.ts';
export { local } from './local/index.ts';
