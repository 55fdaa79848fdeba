/** Every kind of second factor, a line each: the name is the `type:` in the configuration. */
export { mail } from './mail/index.ts';
export { pass } from './pass/index.ts';
export { recovery } from './recovery/index.ts';
export { sms } from './sms/index.ts';
export { totp } from './totp/index.ts';
export { webauthn } from './webauthn/index.ts';
export { webservice } from './webservice/index.ts';
