/** Reads `Authorization: Negotiate` (RFC 4559): a token that may hold a ticket, or the sign that the browser has none. */

/** What a request says about Negotiate. */
type NegotiateReading =
  /** Nothing: it was not asked, or answers another scheme. */
  | { readonly kind: 'none' }
  /** An answer that can hold no Kerberos ticket: NTLM, NEGOEX, or nothing at all. Asking again brings the same. */
  | { readonly kind: 'no-ticket' }
  /** Not a token: too large, or not base64. */
  | { readonly kind: 'malformed' }
  /** Base64 of what only the Kerberos library can judge. */
  | { readonly kind: 'token'; readonly token: string };

/** In characters of base64; the largest tickets of Active Directory are 48,000 bytes. */
const maxToken = 64 * 1024;

/** How the messages begin that Windows sends where it has no ticket, bare or wrapped in SPNEGO. */
const signatures = [Buffer.from('NTLMSSP\0', 'latin1'), Buffer.from('NEGOEXTS', 'latin1')];

/** Reads the value of an `Authorization` header. Schemes compare without case (RFC 9110 §11.1). */
export function readNegotiate(authorization: string | undefined): NegotiateReading {
  const [, rest] = /^[ \t]*negotiate(?![^ \t])(.*)$/is.exec(authorization ?? '') ?? [];
  if (rest === undefined) return { kind: 'none' };
  const text = rest.trim();
  if (text === '') return { kind: 'no-ticket' };
  if (text.length > maxToken || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    return { kind: 'malformed' };
  }
  const bytes = Buffer.from(text, 'base64');
  if (signatures.some((signature) => bytes.includes(signature))) return { kind: 'no-ticket' };
  return { kind: 'token', token: text };
}
