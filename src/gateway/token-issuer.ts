/** Makes API tokens for operators: what is asked for is checked against the configuration of the moment, and its user is looked for. */
import * as z from 'zod';
import { nearest } from '../config/nearest.ts';
import { cidr } from '../config/values.ts';
import type { Clock } from '../core/clock.ts';
import type { Secret } from '../core/secret.ts';
import type { FoundUser } from '../login/token-users.ts';
import { roleNames } from '../policy/roles-file.ts';
import type { ApiToken } from '../users/api-token-record.ts';
import type { Gateway } from './build.ts';
import { routesOf } from './routes.ts';

const names = z.array(z.string()).min(1);

/** What an operator asks for. */
const tokenRequest = z.strictObject({
  name: z.string(),
  user: z.string().min(1).optional(),
  roles: names.optional(),
  routes: names.optional(),
  networks: names.optional(),
  /** ISO 8601. */
  until: z.string().optional(),
});

/** What came of it. `refused`: something is to be mended first. `unavailable`: nobody could be asked. */
type Issued =
  | { readonly kind: 'issued'; readonly id: string; readonly text: Secret; readonly token: IssuedTerms }
  | { readonly kind: 'refused' | 'unavailable'; readonly message: string };

/** As it was made. */
type IssuedTerms = Pick<ApiToken, 'name' | 'user' | 'roles' | 'routes' | 'until'> & {
  readonly networks?: readonly string[];
};

/** How long a directory may take, in milliseconds. */
const patience = 15_000;

/** Makes a token that is shown once. */
export async function issueToken(
  { document, login }: Pick<Gateway, 'document' | 'login'>,
  asked: unknown,
  { clock, by }: { readonly clock: Clock; readonly by: string },
): Promise<Issued> {
  const { data: request, error } = tokenRequest.safeParse(asked);
  if (!request) return { kind: 'refused', message: shapeFault(error) };
  const fault =
    nameFault(request.name) ??
    unknownIn('role', request.roles, roleNames(document)) ??
    unknownIn(
      'route',
      request.routes,
      routesOf(document).map(({ name }) => name),
    ) ??
    networkFault(request.networks) ??
    timeFault(request.until, clock.now());
  if (fault !== undefined) return { kind: 'refused', message: fault };
  const { name, user, roles, routes, networks } = request;
  const found = user === undefined ? undefined : await login.tokenUsers.find(user, AbortSignal.timeout(patience));
  if (user !== undefined && found?.kind !== 'found') return withoutUser(user, found);
  const token = {
    name,
    ...(found?.kind === 'found' && { user: found.user }),
    ...(roles && { roles }),
    ...(routes && { routes }),
    ...(networks && { networks }),
    ...(request.until !== undefined && { until: Date.parse(request.until) }),
  };
  const made = await login.apiTokens.add({ ...token, by });
  if (!made)
    return { kind: 'refused', message: `there is a token called ${name}: revoke it first, or take another name` };
  if (found?.kind === 'found') await login.tokenUsers.keep(made.id, found.assertion);
  return { kind: 'issued', ...made, token };
}

/** For whoever has written the request by hand. */
function shapeFault({ issues: [issue] }: z.ZodError): string {
  return issue ? `${issue.path.join('.') || 'the request'}: ${issue.message}` : 'the request cannot be read';
}

function nameFault(name: string): string | undefined {
  if (/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) return undefined;
  return 'the name of a token has up to 64 small letters, digits, dots, hyphens and underscores, such as wallboard';
}

function unknownIn(what: string, asked: readonly string[] = [], known: readonly string[]): string | undefined {
  const stranger = asked.find((name) => !known.includes(name));
  if (stranger === undefined) return undefined;
  const meant = nearest(stranger, known);
  return `there is no ${what} called ${JSON.stringify(stranger)}: ${meant === undefined ? `there are: ${known.join(', ') || 'none'}` : `did you mean ${JSON.stringify(meant)}?`}`;
}

function networkFault(asked: readonly string[] = []): string | undefined {
  const odd = asked.find((text) => !cidr().safeParse(text).success);
  return odd === undefined ? undefined : `${JSON.stringify(odd)} is no network such as 10.0.0.0/8, and no address`;
}

function timeFault(until: string | undefined, now: number): string | undefined {
  if (until === undefined) return undefined;
  const isTime = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/.test(until);
  if (!isTime || Number.isNaN(Date.parse(until)))
    return `${JSON.stringify(until)} is no time such as 2027-06-30 (its beginning, in UTC) or 2027-06-30T18:00:00+02:00`;
  return Date.parse(until) > now ? undefined : `${until} is over`;
}

function withoutUser(user: string, found: FoundUser | undefined): Issued {
  const name = JSON.stringify(user);
  switch (found?.kind) {
    case 'refused':
      return { kind: 'refused', message: `${found.provider} does not let ${name} in: ${found.reason}` };
    case 'unavailable':
      return {
        kind: 'unavailable',
        message: `${found.provider} cannot be asked about ${name} (${found.reason}): try again when it answers`,
      };
    case 'nobody-to-ask':
      return {
        kind: 'refused',
        message:
          'no provider of the chain can be asked about a name: one of type ldap or local can; without --user the token stands for the program itself',
      };
    default:
      return { kind: 'refused', message: `no provider knows ${name}` };
  }
}
