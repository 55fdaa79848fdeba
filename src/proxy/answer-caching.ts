/** Who may keep an answer: what the gateway says of that in the place of its application, or because nobody has said anything. */
import type { HeaderLines } from '../core/request-head.ts';
import { hasAnswersByIdentity } from '../core/route.ts';
import type { Forward } from '../core/verdict.ts';

/** What lets an answer be kept and given to others. */
export const caching: ReadonlySet<string> = new Set([
  ...['cache-control', 'expires', 'pragma', 'surrogate-control', 'cdn-cache-control'],
]);

/** The `Cache-Control` that takes the place of all that an application says of keeping its answer; undefined where its own stays. */
export function cacheRule(
  upstream: HeaderLines,
  forward: Pick<Forward, 'route' | 'principal' | 'reply' | 'firstCookies'>,
): string | undefined {
  if ('set-cookie' in forward.reply || forward.firstCookies) return 'no-store';
  const isPage = isUnruledPage(upstream, forward);
  if (isForOneAmongOthers(forward)) return isPage ? 'private, no-cache' : privately(upstream.list('cache-control'));
  return isPage ? 'private, no-cache' : undefined;
}

/** Whether an answer is for somebody signed in at an address that answers others, too. */
export function isForOneAmongOthers({ route, principal }: Pick<Forward, 'route' | 'principal'>): boolean {
  return principal !== undefined && hasAnswersByIdentity(route);
}

/** A page for somebody who is signed in, of which its application has not said whether it may be kept. */
function isUnruledPage(upstream: HeaderLines, { route, principal }: Pick<Forward, 'route' | 'principal'>): boolean {
  if (!principal || route.keepsCache || [...caching].some((name) => upstream.named(name).length > 0)) return false;
  return /^\s*(?:text\/html|application\/xhtml\+xml)\b/i.test(upstream.single('content-type') ?? '');
}

/** The application's own rule for one browser alone. */
function privately(directives: readonly string[]): string {
  const kept = directives.filter((one) => !/^(?:public|private|s-maxage)\b/i.test(one));
  return ['private', ...kept].join(', ');
}
