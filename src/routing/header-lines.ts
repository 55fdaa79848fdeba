/**
 * Header lines that two servers could read differently: repeated where only one can count, misspelt, or with octets that
 * no header has. Node's parser refuses most of them first; forward-auth and middleware bring headers it has not seen.
 */

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
// Horizontal tab is the only control octet in a field value (RFC 9110 §5.5).
const controlOctet = /[\0-\x08\x0a-\x1f\x7f]/;

/**
 * Headers of which only one can count. Cookie is missing on purpose: several lines are joined into one. Host is counted by
 * whoever reads the host.
 */
const single = new Set([
  'authorization',
  'content-length',
  'content-type',
  'expect',
  'origin',
  'proxy-authorization',
  'sec-websocket-key',
  'sec-websocket-version',
  'transfer-encoding',
]);

/** What is wrong with the header lines, names and values in turn; undefined when nothing is. */
export function headerFault(rawHeaders: readonly string[]): string | undefined {
  if (rawHeaders.length % 2 !== 0) return 'a header line has no value';
  const seen = new Map<string, string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const value = rawHeaders[index + 1] ?? '';
    if (!token.test(name)) return 'a header name holds a character that none may have';
    if (controlOctet.test(value)) return 'a header value holds a control octet';
    const spelt = name.toLowerCase();
    // CGI and WSGI upstreams read Content_Length as Content-Length.
    const folded = spelt.includes('_') ? spelt.replaceAll('_', '-') : spelt;
    if (!single.has(folded)) continue;
    if (folded !== spelt) return `${folded} is spelt with an underscore`;
    if (seen.has(folded)) return `${folded} stands there more than once`;
    seen.set(folded, value);
  }
  return framingFault(seen.get('content-length'), seen.get('transfer-encoding'));
}

/** How long the body is must have one answer (RFC 9112 §6.3). */
function framingFault(contentLength: string | undefined, transferEncoding: string | undefined): string | undefined {
  if (contentLength !== undefined && transferEncoding !== undefined)
    return 'content-length and transfer-encoding stand there together';
  if (contentLength !== undefined && !/^\d{1,15}$/.test(contentLength.trim())) return 'content-length is not a number';
  if (transferEncoding !== undefined && transferEncoding.trim().toLowerCase() !== 'chunked')
    return 'transfer-encoding is not chunked';
  return undefined;
}
