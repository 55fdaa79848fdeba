/**
 * Takes secrets out of a text by their looks: headers, form fields, tokens, tickets, keys. The second net under the rule
 * that nobody hands secrets to a log; `scrub.ts` walks whole values with it.
 */

/** What stands where a secret stood. */
export const redacted = '[redacted]';

/** Texts are cut here: bounds both the line and the time spent on it. */
const maxText = 8192;

const secretWord =
  'pass(?:word|wd|phrase)|pwd|secret|tokens?|ticket|pgtiou|pgtid|pgt|code[_-]?verifier|client[_-]?assertion|samlresponse|' +
  'samlrequest|logoutrequest|api[_-]?key|private[_-]?key|credentials?|nonce';

/** Cheap test that spares nearly all texts the patterns below. */
const suspicious = new RegExp(
  `${secretWord}|code|state|auth|cookie|assertion|basic|bearer|negotiate|ntlm|dpop|eyj|gha[_%]|-----begin|://|gatehouse|[a-z]t-|pgt|` +
    '\\$[a-z0-9]+\\$|\\{[a-z0-9]+\\}|YI|TlRM',
  'i',
);

const quotedOrWord = `"(?:[^"\\\\]|\\\\.){0,2048}"|'(?:[^'\\\\]|\\\\.){0,2048}'|[^\\s&;,"'<>)\\]}%]*(?:%(?!26|0[ad])[^\\s&;,"'<>)\\]}%]*)*`;
const equals = '\\\\?["\']?\\s{0,2}(?:=|%3D|%253D)\\s{0,2}\\\\?';

/** `Authorization: …`, `cookie: '…'`: the rest of the line, or of the quoted value. */
const headerLine =
  /((?:proxy-)?authorization|(?:set-)?cookie2?|x-gatehouse-assertion|authentication-info)(\\?["']?\s{0,2}[:=,]\s{0,2})(\\?"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\r\n]+)/gi;
/** `password=…`, `ticket=…`, `id_token=…`, also inside an escaped address. */
const field = new RegExp(`((?:${secretWord}))(${equals})(?:${quotedOrWord})`, 'gi');
/** `code=…` and `state=…`; a short number or an error's name such as ECONNREFUSED is no secret. */
const shortField = new RegExp(`\\b((?:code|state))(${equals})(?!\\d{1,4}\\b|E[A-Z]+\\b)(?:${quotedOrWord})`, 'gi');
/** `"password": "…"`, `password: '…'`. */
const quotedField = new RegExp(
  `((?:${secretWord})\\\\?["']?\\s{0,2}:\\s{0,2})(?:\\\\"(?:[^"\\\\]){0,2048}\\\\"|"(?:[^"\\\\]|\\\\.){0,2048}"|'(?:[^'\\\\]|\\\\.){0,2048}')`,
  'gi',
);
/** `password: hunter2` where nothing but the value follows; prose after a colon is left alone. */
const bareField = new RegExp(`((?:${secretWord})\\s{0,2}:\\s{0,2})[^\\s"',;{}\\[\\]]+`, 'gi');
const fieldEnd = /\s*(?:$|[\r\n,;}\]])/y;
/** A scheme with its blob; words of prose and parameters of a challenge are not one. */
const scheme =
  /\b(basic|bearer|negotiate|ntlm|dpop)(\s+|%20)(?!(?:tokens?|auth|authentication|authorization|credentials?|schemes?|providers?|challenges?|headers?|offers?|logins?|is|was|and|or|not|to|for|with|the|a|an|has|had|in|of|on)\b|(?:realm|error|error_description|scope|charset)\s{0,2}=)[A-Za-z0-9+/=._~%-]{3,}/gi;

const patterns: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY-----|[\s\S]*)/g, redacted],
  [headerLine, `$1$2${redacted}`],
  [field, `$1$2${redacted}`],
  [shortField, `$1$2${redacted}`],
  [quotedField, `$1${redacted}`],
  [scheme, `$1 ${redacted}`],
  [/\beyJ[\w-]{6,}(?:\.[\w-]*)*/g, redacted],
  [/gha(?:_|%5f)[0-9A-Za-z]{20,}/gi, redacted],
  [/(^|[^A-Za-z0-9]|%3D)((?:ST|PT|LT|PGT|PGTIOU|TGT|TGC)-)[\w.-]{4,}/g, `$1$2${redacted}`],
  [/([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@:"']{0,256}:[^\s/@"']{1,1024}@/gi, `$1${redacted}@`],
  [/((?:__Host-|__Secure-)?gatehouse[\w-]{0,32})=[^\s;,"']+/g, `$1=${redacted}`],
  [/\$(?:argon2\w{1,2}|2[abxy]|scrypt|pbkdf2[\w-]*|[156y])\$[^\s"']+/g, redacted],
  [/(\{(?:S?SHA\d{0,3}|S?MD5|CRYPT|ARGON2|PBKDF2[\w-]*)\})[^\s"',]+/gi, `$1${redacted}`],
  [/(^|[^A-Za-z0-9+/])(?:YI|TlRMTVNT)[A-Za-z0-9+/]{30,}={0,2}/g, `$1${redacted}`],
];

/**
 * Whether `scrubText` leaves each of these as it is. One test of all at once: what the pattern would find in one of them, it
 * finds there too.
 */
export function areHarmless(texts: readonly string[]): boolean {
  const together = texts.join(' ');
  return together.length <= maxText && !suspicious.test(together);
}

/** The text without anything that looks like a secret, and no longer than a log line should hold. */
export function scrubText(text: string): string {
  const bounded =
    text.length > maxText ? `${text.slice(0, maxText)}… (${text.length - maxText} more characters)` : text;
  if (!suspicious.test(bounded)) return bounded;
  let clean = bounded.replace(bareField, scrubBareField);
  for (const [pattern, replacement] of patterns) clean = clean.replace(pattern, replacement);
  return clean;
}

/** Decides after the match, not within it: a lookahead would read the rest of a long text at each word (ReDoS). */
function scrubBareField(match: string, name: string, offset: number, text: string): string {
  fieldEnd.lastIndex = offset + match.length;
  return fieldEnd.test(text) ? name + redacted : match;
}
