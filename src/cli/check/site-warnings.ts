/** What `gatehouse check` says of the names of a site. */
import type { ConfigIssue } from '../../config/load.ts';
import { defaultPublicUrl } from '../../routing/options.ts';
import type { Reading } from '../../runtime/reading.ts';

/** Warnings about a site that takes requests for whatever host they name. */
export function siteWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
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
