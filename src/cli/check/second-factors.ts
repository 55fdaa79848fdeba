/** What `gatehouse check` says of second factors that let in with less than they seem to ask for. */
import type { ConfigIssue } from '../../config/load.ts';
import type { Reading } from '../../runtime/reading.ts';

type Read = Extract<Reading, { kind: 'ok' }>;

/** Warnings about them. */
export function factorWarnings({ document: { factors }, locate }: Read): ConfigIssue[] {
  return Object.entries(factors).flatMap(([name, options]) => [
    ...('noContact' in options && options.noContact === 'insecure-allow'
      ? [
          {
            ...locate(['factors', name, 'noContact']),
            message:
              'is insecure-allow: whoever has no contact signs in by the first proof alone, whatever login.level asks for',
            hint: 'write enrol, help or refuse, unless everybody is to come in who has no contact',
          },
        ]
      : []),
    ...selfIssuers(options).map((role) => ({
      ...locate(['factors', name, 'issuers']),
      message: `has ${role}, for whom passes are made too: whoever has it lets colleagues in who have it`,
      hint: `take ${role} off for, or have passes made by another role`,
    })),
  ]);
}

/** The roles that make passes, and that passes are made for. */
function selfIssuers(options: object): readonly string[] {
  if (!('issuers' in options && 'for' in options)) return [];
  const lists = [options.issuers, options.for].map((list) => (Array.isArray(list) ? list.map(String) : []));
  const [issuers = [], others = []] = lists;
  return issuers.filter((role) => others.includes(role));
}
