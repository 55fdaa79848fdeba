/** TLS errors in an operator's words: what is wrong with the connection, and what to do about it. */

/** What went wrong with a TLS connection. */
interface TlsProblem {
  readonly kind:
    | 'expired'
    | 'not-yet-valid'
    | 'self-signed'
    | 'unknown-authority'
    | 'incomplete-chain'
    | 'wrong-name'
    | 'pin-mismatch'
    | 'weak'
    | 'bad-certificate'
    | 'not-tls'
    | 'handshake';
  readonly reason: string;
  readonly hint: string;
}

const trustIt = 'add the certificate of its CA (in PEM) to the ca file';

const known: Readonly<Record<string, TlsProblem>> = {
  CERT_HAS_EXPIRED: {
    kind: 'expired',
    reason: "the server's certificate, or one of its chain, has expired",
    hint: 'renew it on the server; check the clock of this machine too',
  },
  CERT_NOT_YET_VALID: {
    kind: 'not-yet-valid',
    reason: "the server's certificate is not valid yet",
    hint: 'check the clock of this machine and of the one that issued it',
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    kind: 'self-signed',
    reason: "the server's certificate is signed by itself",
    hint: 'add the certificate itself (in PEM) to the ca file, or give the server one from a CA',
  },
  SELF_SIGNED_CERT_IN_CHAIN: {
    kind: 'unknown-authority',
    reason: 'the CA at the top of the chain is not trusted here',
    hint: trustIt,
  },
  UNABLE_TO_GET_ISSUER_CERT: {
    kind: 'incomplete-chain',
    reason: 'the issuer of a trusted intermediate certificate is missing',
    hint: 'add the root above it to the ca file',
  },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: {
    kind: 'incomplete-chain',
    reason: 'the chain does not lead to a trusted CA',
    hint: `${trustIt}; if the server does not send its intermediate certificate, mend that there or add the intermediate to the ca file too`,
  },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    kind: 'incomplete-chain',
    reason: 'the server sends one certificate only, and its issuer is not trusted here',
    hint: `have the server send its intermediate certificates too; or ${trustIt}`,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    kind: 'wrong-name',
    reason: 'the certificate is for another name',
    hint: 'use a name of the certificate in the URL, or set servername to one; never an alias the certificate lacks',
  },
  GATEHOUSE_COMMON_NAME: {
    kind: 'wrong-name',
    reason: 'the name stands in the certificate as Common Name only, which does not count',
    hint: 'have it issued with the name under subjectAltName; until then pin its SHA-256 thumbprint, or import the certificate',
  },
  GATEHOUSE_PIN_MISMATCH: {
    kind: 'pin-mismatch',
    reason: 'the server shows none of what is pinned',
    hint: 'if it has got a new certificate on purpose, add its pin to pins, or its thumbprint; else somebody may be in between',
  },
  INVALID_CA: {
    kind: 'bad-certificate',
    reason: 'a certificate of the chain is no CA',
    hint: 'check what the server sends',
  },
  INVALID_PURPOSE: {
    kind: 'bad-certificate',
    reason: 'the certificate is not meant for a server',
    hint: 'issue one with the extended key usage serverAuth',
  },
  CERT_SIGNATURE_FAILURE: {
    kind: 'bad-certificate',
    reason: 'a signature in the chain is wrong',
    hint: 'the ca file may hold an older CA of the same name; get the present one',
  },
  CERT_REVOKED: { kind: 'bad-certificate', reason: 'the certificate has been revoked', hint: 'renew it on the server' },
  EE_KEY_TOO_SMALL: {
    kind: 'weak',
    reason: "the server's key is too short",
    hint: 'issue a certificate with RSA 2048 bits or more',
  },
  CA_KEY_TOO_SMALL: { kind: 'weak', reason: "a CA's key is too short", hint: 'have the chain issued anew' },
  CA_MD_TOO_WEAK: {
    kind: 'weak',
    reason: 'the chain is signed with a broken digest',
    hint: 'have it issued anew with SHA-256',
  },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    kind: 'not-tls',
    reason: 'the server does not speak TLS on this port',
    hint: 'check scheme and port; a plain port may want StartTLS instead',
  },
  ERR_SSL_PACKET_LENGTH_TOO_LONG: {
    kind: 'not-tls',
    reason: 'the server does not speak TLS on this port',
    hint: 'check scheme and port; a plain port may want StartTLS instead',
  },
};

const handshake: TlsProblem = {
  kind: 'handshake',
  reason: 'the TLS handshake failed',
  hint: 'the server must offer TLS 1.2 or 1.3 and not ask for a client certificate; its log says more',
};

/** What is wrong in the operator's words; undefined when the error is none of TLS, such as a refused connection. */
export function describeTlsError(error: unknown): TlsProblem | undefined {
  const code = codeOf(error);
  const found = known[code];
  if (found) return { ...found, reason: found.reason + detailOf(error, found.kind) };
  if (code === 'ECONNRESET' && error instanceof Error && error.message.includes('secure TLS connection')) {
    return {
      ...handshake,
      reason: 'the server hung up during the TLS handshake',
      hint: 'check that this port speaks TLS; its log says more',
    };
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code.startsWith('ERR_OSSL_')) {
    return { ...handshake, reason: `${handshake.reason} (${code})` };
  }
  return undefined;
}

function detailOf(error: unknown, kind: TlsProblem['kind']): string {
  if (!(error instanceof Error)) return '';
  if (kind === 'wrong-name' && 'reason' in error) return `: ${String(error.reason)}`;
  if (kind === 'pin-mismatch' || codeOf(error) === 'GATEHOUSE_COMMON_NAME') return `: ${error.message}`;
  return '';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
