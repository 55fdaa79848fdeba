/** The locations that every server has: the gateway's pages, its verdicts, and its answers to whom a verdict keeps out. */

import { forwardedLines, liveLocation } from './nginx-live.ts';
import { block, type Line, time } from './nginx-text.ts';
import { clearedFor, type ExportSite } from './site.ts';

/** Headers, and the nginx variables that they hold. */
type Told = Readonly<Record<string, string>>;

/** What nginx asks about. */
const question: Told = {
  'x-original-uri': '$request_uri',
  'x-original-method': '$request_method',
  'x-original-host': '$http_host',
  'x-original-upgrade': '$http_upgrade',
};

/** What the client that is to be answered had asked for. */
const refused: Told = {
  'x-forwarded-uri': '$request_uri',
  'x-forwarded-method': '$request_method',
  'x-forwarded-upgrade': '$http_upgrade',
};

/** The gateway would believe these of nginx. */
const claims = [
  ...['uri', 'method', 'upgrade'].map((name) => `x-forwarded-${name}`),
  ...['uri', 'host', 'method', 'upgrade'].map((name) => `x-original-${name}`),
];

/** What makes a request another one than that which a verdict was kept for. */
const cacheKey = [
  'request_method',
  'http_host',
  'request_uri',
  'http_cookie',
  'http_upgrade',
  'http_origin',
  'gatehouse_route',
];

/** Writes them. */
export function ownLocations(site: ExportSite): Line[] {
  const common = [
    'proxy_connect_timeout 2s',
    `proxy_read_timeout ${time(site.verdictTimeout)}`,
    'proxy_set_header Host $http_host',
    'proxy_set_header Connection ""',
    ...forwardedLines(),
  ];
  return [
    pagesLocation(common),
    '# The code in this address is for nobody to read.',
    block('location = /_gate/handover', 'access_log off', ...pagesLines('/_gate/handover', common)),
    '# Verdicts are for nginx alone.',
    block('location ^~ /_gate/auth/', 'return 404'),
    verdictLocation(site, common),
    '# Nobody is signed in, or may not pass, or could be asked: the gateway says so to the client, as a page or as JSON.',
    answerLocation('@gatehouse_answer', 'answer=again&route=$gatehouse_route', common),
    answerLocation('@gatehouse_page', 'answer=page', common),
    ...liveLocation(site),
  ];
}

function pagesLocation(common: readonly Line[]): Line {
  return block('location ^~ /_gate/', ...pagesLines('/_gate/', common));
}

function pagesLines(path: string, common: readonly Line[]): Line[] {
  return [
    `proxy_pass http://gatehouse${path}`,
    'proxy_redirect off',
    'client_max_body_size 1m',
    ...common,
    ...setHeaders(claims, {}),
  ];
}

function verdictLocation(site: ExportSite, common: readonly Line[]): Line {
  return block(
    'location = /_gate/auth',
    'internal',
    'proxy_pass http://gatehouse/_gate/auth?path=canonical&answer=later&route=$gatehouse_route',
    'proxy_pass_request_body off',
    'client_max_body_size 0',
    'proxy_set_header Content-Length ""',
    ['proxy_buffer_size 64k', 'proxy_buffers 4 64k', 'proxy_busy_buffers_size 64k'],
    common,
    setHeaders([...new Set([...clearedFor(site), ...site.identityNames])], question),
    cached(site),
  );
}

function answerLocation(name: string, query: string, common: readonly Line[]): Line {
  return block(
    `location ${name}`,
    `set $gatehouse_answer "/_gate/auth?path=canonical&${query}"`,
    'proxy_pass http://gatehouse$gatehouse_answer',
    'proxy_redirect off',
    common,
    setHeaders(claims, refused),
  );
}

/** Sets what nginx tells, and clears what else a client could say under these names. */
function setHeaders(names: readonly string[], told: Told): Line[] {
  return [
    ...Object.entries(told).map(([name, value]) => `proxy_set_header ${name} ${value}`),
    ...names.filter((name) => !Object.hasOwn(told, name)).map((name) => `proxy_set_header ${name} ""`),
  ];
}

/** Permissions alone are kept, and none that begins a session or rests on credentials in the request. */
function cached({ cache }: ExportSite): Line[] {
  if (cache === undefined) return [];
  return [
    'proxy_buffering on',
    'proxy_cache gatehouse',
    `proxy_cache_key "${cacheKey.map((name) => `$${name}`).join('|')}|$remote_addr"`,
    `proxy_cache_valid 200 ${time(cache)}`,
    'proxy_ignore_headers Cache-Control Expires',
    'proxy_no_cache $http_authorization',
    'proxy_cache_bypass $http_authorization',
  ];
}
