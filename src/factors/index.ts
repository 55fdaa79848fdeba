/** Every kind of second factor, a line each: the name is the `type:` in the configuration. */
export { totp } from './totp/index.ts';
