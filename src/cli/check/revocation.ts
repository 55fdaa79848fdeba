/** What `gatehouse check` says of the revocation lists of listeners and streams, at the line that names them. */
import type { ConfigIssue } from '../../config/report.ts';
import { OperatorError } from '../../core/errors.ts';
import { plansOf } from '../../edge/listener-plan.ts';
import type { Reading } from '../../runtime/reading.ts';
import { readClientAuthorities } from '../../tls/client-authorities.ts';
import type { HeldList } from '../../tls/held-lists.ts';
import { prepareRevocation } from '../../tls/revocation.ts';
import { endOf, type RevocationOptions } from '../../tls/revocation-notices.ts';

/** Errors keep the gateway from starting; warnings do not. */
interface RevocationIssues {
  readonly errors: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
}

/** Reads every list that the configuration names. */
export async function revocationIssues({
  document,
  locate,
}: Extract<Reading, { kind: 'ok' }>): Promise<RevocationIssues> {
  const errors: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];
  const asking = [
    ...plansOf(document).map(({ name, clients }) => ({ kind: 'listeners', name, clients })),
    ...Object.entries(document.streams).map(([name, one]) => ({
      kind: 'streams',
      name,
      clients: one.clientCertificates,
    })),
  ];
  for (const { kind, name, clients } of asking) {
    if (!clients?.crl || !clients.authorities) continue;
    const { certificates } = readClientAuthorities(clients.authorities);
    const at = [kind, name, 'clientCertificates', 'crl'];
    for (const [index, file] of clients.crl.entries()) {
      const place = locate(clients.crl.length > 1 ? [...at, index] : at);
      const options = { files: [file], stale: clients.crlStale, maxAge: clients.crlMaxAge };
      try {
        const { files } = await prepareRevocation(options, certificates);
        const found = files.flatMap(({ lists }) => lists.flatMap((held) => warningsOf(held, options)));
        warnings.push(...found.map((words) => ({ ...place, ...words })));
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        errors.push({ ...place, message: error.message, ...(error.hint && { hint: error.hint }) });
      }
    }
  }
  return { errors, warnings };
}

function warningsOf(
  { list, authority, isForeign }: HeldList,
  options: RevocationOptions,
): Pick<ConfigIssue, 'message' | 'hint'>[] {
  const end = endOf(list, options);
  const found: Pick<ConfigIssue, 'message' | 'hint'>[] = [];
  if (isForeign)
    found.push({
      message: `the list of ${list.issuerWords} is signed by another authority of the same name, and is not used`,
      hint: 'fetch the list of the one among authorities',
    });
  else if (!authority)
    found.push({
      message: `the list is of ${list.issuerWords}, who is not among authorities, and is not used`,
      hint: 'add the certificate of that authority to authorities',
    });
  if (list.partial !== undefined)
    found.push({
      message: `the list does not name all that is revoked: ${list.partial}`,
      hint: 'name the whole list of the authority beside it',
    });
  if (end <= Date.now())
    found.push({
      message: `the list of ${list.issuerWords} ended on ${new Date(end).toISOString()}`,
      hint: options.stale === 'refuse' ? 'its certificates are refused until the next is here' : 'fetch the next one',
    });
  return found;
}
