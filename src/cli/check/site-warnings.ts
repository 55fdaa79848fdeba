/** What `gatehouse check` says of the names of a site. */
import type { ConfigIssue } from '../../config/load.ts';
import { readRouteHost } from '../../routing/host.ts';
import { defaultPublicUrl } from '../../routing/options.ts';
import type { Reading } from '../../runtime/reading.ts';

/** Warnings about a site that takes requests for whatever host they name, and about hosts at which nobody can sign in. */
export function siteWarnings(reading: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  return [...anyHostWarnings(reading), ...wildcardWarnings(reading), ...passwordWarnings(reading)];
}

/** NIST SP 800-63B-4 asks for fewer characters only where a password is not all there is. */
function passwordWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  const { passwords, login } = document;
  const place = locate(['passwords', 'minLength']);
  // Where nobody has written it, the place is the one of any key that is not there.
  const nowhere = locate(['passwords', 'not there']);
  const isWritten = place.line !== nowhere.line || place.column !== nowhere.column;
  const isAlone = login.level === 1;
  if (!isWritten || !isAlone || passwords.minLength >= longEnoughAlone) return [];
  return [
    {
      ...place,
      message: `is ${passwords.minLength}, and login.level asks for nothing besides the password`,
      hint: `ask for ${longEnoughAlone} characters, or for a second factor`,
    },
  ];
}

const longEnoughAlone = 12;

/** No session is handed over to a name that anybody may get. */
function wildcardWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  if (document.server.publicUrl === defaultPublicUrl) return [];
  return document.routes.flatMap(({ host, access }, index) => {
    if (!host?.startsWith('*.') || typeof access === 'string') return [];
    const example = readRouteHost(host)?.name.replace('*', 'desk') ?? host;
    return {
      ...locate(['routes', index, 'host']),
      message: 'is a wildcard, and no session is handed over to one: who signs in at publicUrl is a stranger here',
      hint: `write each host out, such as ${example}, or access: public`,
    };
  });
}

function anyHostWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  const { publicUrl, anyHost } = document.server;
  if (publicUrl === defaultPublicUrl)
    return [
      {
        ...locate(['server']),
        message: 'has no publicUrl, so requests are taken for any Host, and cookies are for http://localhost:8080',
        hint: 'write publicUrl: the address that browsers see',
      },
    ];
  if (!anyHost) return [];
  return [
    {
      ...locate(['server', 'anyHost']),
      message: 'lets any Host reach applications, which may write it into mails and redirects',
      hint: 'name the hosts in server.hosts instead',
    },
  ];
}
