/** What is kept beside a session: its tokens, by which names the issuer can end it, and when it is to be refreshed. */
import * as z from 'zod';
import type { SessionGrant } from '../../core/outcome.ts';

const grantState = z.object({
  /** The issuer's own name for the user; a refresh must be about the same. */
  sub: z.string(),
  sid: z.string().optional(),
  idToken: z.string().optional(),
  accessToken: z.string(),
  refreshToken: z.string().optional(),
});

/** The tokens of a session. Kept in the store, never logged, never sent upstream. */
export type GrantState = z.output<typeof grantState>;

const leastLife = 10_000;
const maxLife = 24 * 3_600_000;
const share = 0.8;

/** The tokens that a session kept; undefined when it holds something else. */
export function readGrant(state: unknown): GrantState | undefined {
  return grantState.safeParse(state).data;
}

/** The grant of a session; refreshed when most of the access token's life is over, if there is a way to. */
export function grantOf(state: GrantState, expiresIn: number | undefined, now: number): SessionGrant {
  const life = Math.min(maxLife, Math.max(leastLife, (expiresIn ?? 300) * 1000));
  return {
    handles: [state.sid === undefined ? unnamedHandle(state.sub) : sidHandle(state.sid), subHandle(state.sub)],
    state,
    ...(state.refreshToken !== undefined && { refreshAt: Math.round(now + share * life) }),
  };
}

/** The handle of one session at the issuer. */
export function sidHandle(sid: string): string {
  return `sid:${sid}`;
}

/** The handle of all sessions of a user of the issuer. */
export function subHandle(sub: string): string {
  return `sub:${sub}`;
}

/** The handle of those sessions of a user to which the issuer gave no `sid`: a logout that names another may mean them. */
export function unnamedHandle(sub: string): string {
  return `sub-without-sid:${sub}`;
}
