/** How the gateway proves itself to an issuer, where openid-client does so in a way that some issuers do not read. */
import type { ClientAuth } from 'openid-client';

/**
 * RFC 6749 §2.3.1: id and secret in the form of appendix B, where `* - . _` stand as they are. openid-client escapes those as
 * well; LemonLDAP::NG and glewlwyd compare what they find without reading the escapes.
 */
export function clientSecretBasic(secret: () => string): ClientAuth {
  return (_issuer, { client_id: id }, _body, headers) => {
    const credentials = `${formEncoded(id)}:${formEncoded(secret())}`;
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`);
  };
}

/** `application/x-www-form-urlencoded`, as URLs have it. */
function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}
