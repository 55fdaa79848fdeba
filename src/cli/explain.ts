/** `gatehouse explain`: what would happen to a user's request, and why. */

import { Secret } from '../core/secret.ts';
import { composerOf } from '../gateway/composer.ts';
import { type Explanation, explainRequest, type UserExplanation } from '../gateway/explanation.ts';
import { routesOf } from '../gateway/routes.ts';
import { assertionHeader } from '../proxy/templates.ts';
import { type Command, type Invocation, textOption, UsageError } from './command.ts';
import { configOption, requireConfiguration } from './configuration.ts';
import { readPassword } from './password-prompt.ts';
import { withProviders } from './providers.ts';

/** The command. */
export const explain: Command = {
  usage: 'gatehouse explain --user NAME --url /path [--method GET] [--password] [--config FILE]',
  summary: 'say what would happen to a request: route, login, roles, decision, headers',
  help: [
    "Without --password the directories are asked for the user's entry, in the order of the chain.",
    'With --password (from a prompt, or the first line of the standard input) the chain is run for real; failures are not counted.',
    'Exits with 0 when the request would be forwarded, 1 otherwise.',
  ].join('\n'),
  options: {
    ...configOption,
    user: { type: 'string' },
    url: { type: 'string' },
    method: { type: 'string', default: 'GET' },
    password: { type: 'boolean' },
  },
  run: runExplain,
};

async function runExplain(invocation: Invocation): Promise<number> {
  const user = textOption(invocation, 'user');
  const url = textOption(invocation, 'url');
  if (!user || !url) throw new UsageError('--user and --url are needed', explain.usage);
  const method = textOption(invocation, 'method') ?? 'GET';
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(method)) throw new UsageError(`"${method}" is no method of HTTP`, explain.usage);
  const { document } = requireConfiguration(invocation);
  const { terminal, values } = invocation;
  const password =
    values.password === true ? new Secret(await readPassword(terminal, `Password of ${user}: `)) : undefined;
  const routes = routesOf(document);
  const question = { user, url, method, ...(password && { password }) };
  const explanation = await withProviders(document, (providers) =>
    explainRequest(question, { document, providers, routes, composer: composerOf(document, routes) }),
  );
  terminal.stdout.write(`${describe(explanation).join('\n')}\n`);
  return explanation.decision?.kind === 'permit' ? 0 : 1;
}

function describe({ route, user, decision, headers, audience }: Explanation): string[] {
  const lines: string[] = [];
  if (route.kind === 'refused') lines.push(`route      refused with ${route.error.status}: ${route.error.message}`);
  else if (route.kind === 'answered') lines.push(`route      none: ${route.how}`);
  else {
    const { match, target, upstreamPath } = route;
    lines.push(`path       ${target.path}${target.query}  (host ${target.host})`);
    lines.push(`route      ${match.route.name}: ${match.why}`);
    for (const { route: other, matches, note } of match.considered)
      lines.push(`             ${matches ? '+' : '-'} ${other.name}: ${note}`);
    lines.push(`upstream   ${match.route.upstream.servers.map(({ origin }) => origin).join(', ')}${upstreamPath}`);
  }
  lines.push(...describeUser(user));
  lines.push(`decision   ${describeDecision({ route, user, ...(decision && { decision }) })}`);
  for (const [name, value] of headers ?? [])
    lines.push(`header     ${name}: ${typeof value === 'string' ? value : value.join(', ')}`);
  if (audience !== undefined)
    lines.push(`header     ${assertionHeader}: a token for ${audience}, signed as a request goes`);
  return lines;
}

function describeUser({ steps, outcome, principal, roles }: UserExplanation): string[] {
  const asked = steps.map(
    ({ provider, outcome: said, reason, milliseconds }) =>
      `login      ${provider}: ${said}${reason ? ` (${reason})` : ''} in ${milliseconds} ms`,
  );
  const why = 'reason' in outcome ? ` (${outcome.reason})` : '';
  if (!principal) return [...asked, `user       nobody: ${outcome.kind}${why}`];
  const attributes = Object.entries(principal.attributes).map(
    ([name, values]) => `             ${name}: ${values.join(', ')}`,
  );
  const given = roles.map(({ role, given: has, why }) => `role       ${has ? '+' : '-'} ${role}: ${why}`);
  return [...asked, `user       ${principal.subject} of ${principal.provider}`, ...attributes, ...given];
}

function describeDecision({ route, user, decision }: Explanation): string {
  if (route.kind === 'refused') return `refused with ${route.error.status}`;
  if (route.kind === 'answered') return 'answered by the gateway';
  if (!decision) return user.outcome.kind === 'unavailable' ? '503: nobody could be asked' : '401: nobody is signed in';
  const words = { permit: 'permit', deny: '403', 'step-up': 'a fresh login is asked for' }[decision.kind];
  return 'reason' in decision ? `${words}: ${decision.reason}` : words;
}
