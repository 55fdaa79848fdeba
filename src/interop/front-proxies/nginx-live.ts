/**
 * WebSockets and event streams past `auth_request`: nginx passes them to the gateway, which decides on them, carries them to the
 * application and ends them with their session. nginx itself cannot be told that an open connection must end.
 */

import { block, type Line, time } from './nginx-text.ts';
import { clearedFor, type ExportSite } from './site.ts';

/** nginx’s own limits must not end what the gateway keeps open. */
const silence = 24 * 3_600_000;

/** Finds out what stays open. EventSource always asks for `text/event-stream`. */
export function liveMaps({ live }: ExportSite): Line[] {
  if (!live) return [];
  return [
    block(
      'map "$http_upgrade|$http_accept" $gatehouse_live',
      'default ""',
      '"~*^websocket\\|" 1',
      '"~*text/event-stream" 1',
    ),
    block('map $gatehouse_upgrade $gatehouse_live_connection', 'default ""', 'websocket upgrade'),
  ];
}

/**
 * First thing in a location: what stays open goes to the gateway. It stands in locations and not in the server, where it would
 * also take the gateway's own addresses, verdicts among them.
 */
export function liveTurn({ live }: ExportSite): Line[] {
  if (!live) return [];
  return [
    'error_page 401 403 500 = @gatehouse_answer',
    'error_page 418 = @gatehouse_live',
    block('if ($gatehouse_live)', 'return 418'),
  ];
}

/** Where it goes: as the client wrote it, with what the gateway believes of nginx and nothing that a client could say instead. */
export function liveLocation(site: ExportSite): Line[] {
  if (!site.live) return [];
  return [
    '# WebSockets and event streams: the gateway carries them, and a logout ends them.',
    block(
      'location @gatehouse_live',
      'proxy_pass http://gatehouse$request_uri',
      'proxy_redirect off',
      'client_max_body_size 0',
      'proxy_connect_timeout 2s',
      `proxy_read_timeout ${time(silence)}`,
      `proxy_send_timeout ${time(silence)}`,
      'proxy_set_header Host $http_host',
      'proxy_set_header Upgrade $gatehouse_upgrade',
      'proxy_set_header Connection $gatehouse_live_connection',
      '# What nginx cannot clear, being any names that begin alike, the gateway drops as it does for strangers.',
      'proxy_set_header X-Gatehouse-From client',
      forwardedLines(),
      clearedFor(site).map((name) => `proxy_set_header ${name} ""`),
    ),
  ];
}

/** What nginx says of the client, in the place of what the client says of itself. */
export function forwardedLines(): Line[] {
  return [
    'proxy_set_header X-Forwarded-For $remote_addr',
    'proxy_set_header X-Forwarded-Proto $scheme',
    'proxy_set_header X-Forwarded-Host $http_host',
    'proxy_set_header X-Forwarded-Port $server_port',
  ];
}
