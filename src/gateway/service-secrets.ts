/** The shared secrets of a configuration, put together with the lock-out that logins have, too, and with the metrics. */
import type { Clock } from '../core/clock.ts';
import { SharedSecrets } from '../peers/shared-secrets.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { AddressLockout } from '../users/address-lockout.ts';
import type { Document } from './document.ts';

/** Makes them. */
export function secretsOf(
  { sharedSecrets: secrets, services }: Pick<Document, 'sharedSecrets' | 'services'>,
  { metrics, ...parts }: { readonly clock: Clock; readonly lockout: AddressLockout; readonly metrics: Metrics },
): SharedSecrets {
  return new SharedSecrets({
    ...parts,
    secrets,
    services,
    onUse: (secret, generation) => metrics.sharedSecret(secret, generation),
  });
}
