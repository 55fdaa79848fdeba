/** Keys and an address for pools of a test: what names servers in cookies. */
import { randomBytes } from 'node:crypto';
import { Sealer, SealKey } from '../../../src/core/seal.ts';

/** Of this process alone. */
export const stickyParts = {
  sealer: new Sealer([new SealKey(randomBytes(32))]),
  publicUrl: new URL('http://cc.example.com'),
};
