/**
 * The header names that the gateway reads in messages. Nothing that it decides about a request hangs on a line of any other name, but
 * for those that the configuration names (`HeaderLines.named`): that is what lets decisions be kept for heads that differ in such lines alone.
 */

const names = [
  ...['accept', 'accept-language', 'access-control-request-method', 'authorization', 'cache-control', 'connection'],
  ...[
    'content-length',
    'content-type',
    'cookie',
    'expect',
    'expires',
    'forwarded',
    'grpc-timeout',
    'host',
    'http2-settings',
  ],
  ...['if-none-match', 'keep-alive', 'link', 'origin', 'pragma', 'proxy-connection', 'referer', 'sec-fetch-dest'],
  ...['sec-fetch-mode', 'sec-fetch-site', 'sec-websocket-accept', 'sec-websocket-key', 'te', 'traceparent', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'user-agent', 'www-authenticate', 'x-forwarded-for', 'x-forwarded-host'],
  ...['x-forwarded-method', 'x-forwarded-proto', 'x-forwarded-upgrade', 'x-forwarded-uri', 'x-gatehouse-from'],
  ...['x-http-method', 'x-http-method-override', 'x-method-override', 'x-original-host', 'x-original-method'],
  ...['x-original-route', 'x-original-upgrade', 'x-original-uri', 'x-real-ip', 'x-requested-with'],
] as const;

/** A name that may be asked for. */
export type ReadName = (typeof names)[number];

const read: ReadonlySet<string> = new Set(names);

/** Whether the gateway reads lines of a name, which is in lower case. */
export function isRead(name: string): boolean {
  return read.has(name);
}
