/**
 * Cuts what is open by an API token, or by a password that came with the request, when that holds no longer: revoked, out of time,
 * its user gone, its rights less. No session speaks for it, so that no journal tells: each credential with something open is asked
 * about once a second.
 */
import type { Log } from '../core/log.ts';
import { credentialKey, type ShownCredential } from '../core/shown-credential.ts';
import type { ProgramAccess } from '../login/program-access.ts';
import type { Connections } from '../proxy/connections.ts';
import type { StandingAccess } from './standing-access.ts';

const askEvery = 1000;

interface CredentialWatchParts {
  readonly connections: Connections;
  readonly programs: Pick<ProgramAccess, 'standing'>;
  readonly access: Pick<StandingAccess, 'reasonToEnd'>;
  readonly log: Log;
}

/** Watches what is open without a session. */
export class CredentialWatch {
  readonly #parts: CredentialWatchParts;
  readonly #timer: NodeJS.Timeout;
  /** Those that are asked about: a directory may take longer than a second, and the others must not wait for it. */
  readonly #asking = new Set<string>();

  constructor(parts: CredentialWatchParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.#sweep(), askEvery).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    for (const credential of this.#parts.connections.credentials()) {
      const key = credentialKey(credential);
      if (this.#asking.has(key)) continue;
      this.#asking.add(key);
      this.#judge(credential, key)
        .catch((error: unknown) =>
          this.#parts.log.warn({ error }, 'nobody can tell whether what is open may go on; it does until somebody can'),
        )
        .finally(() => this.#asking.delete(key));
    }
  }

  async #judge(credential: ShownCredential, key: string): Promise<void> {
    const { connections, programs, access } = this.#parts;
    const standing = await programs.standing(credential);
    if (!standing) return;
    connections.endWhere(undefined, (opened) => {
      if (!opened.credential || credentialKey(opened.credential) !== key) return undefined;
      if (standing.kind === 'over') return standing.reason;
      const { principal = opened.principal } = standing;
      return access.reasonToEnd({ ...opened, ...(principal && { principal }) }, undefined);
    });
  }
}
