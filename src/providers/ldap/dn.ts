/** Distinguished names, as RFC 4514 writes them: just enough to name a group and to find a domain. */

/** One relative distinguished name: its first attribute, and its value without escapes. */
export interface Rdn {
  readonly attribute: string;
  readonly value: string;
}

/** The name nearest to the entry, such as `cn` and `agents` of `cn=agents,ou=groups,dc=example`; undefined when it is no DN. */
export function firstRdn(dn: string): Rdn | undefined {
  const match = /^\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*=\s*((?:\\.|[^,+\\])*)/s.exec(dn);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { attribute: match[1], value: unescapeValue(trimValue(match[2])) };
}

/** The part of a DN made of domain components: the root of an Active Directory domain; undefined when there is none. */
export function domainOf(dn: string): string | undefined {
  return /(?:^|[^\\],)\s*(DC=[^,]+(?:,\s*DC=[^,]+)*)$/i.exec(dn)?.[1];
}

/** Whether a text may be a DN: non-empty, each part an attribute and a value. For the configuration's sake. */
export function isDn(text: string): boolean {
  const rdn = String.raw`\s*(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*=(?:\\.|[^,+\\])*`;
  return new RegExp(`^${rdn}(?:[,+]${rdn})*$`, 's').test(text);
}

/** A trailing space belongs to the value only when it is escaped. */
function trimValue(value: string): string {
  return value.replace(/(\\ )?\s*$/, '$1');
}

function unescapeValue(value: string): string {
  const bytes: number[] = [];
  for (const [piece] of value.matchAll(/\\[0-9a-f]{2}|\\.|[^\\]+/gis)) {
    if (/^\\[0-9a-f]{2}$/i.test(piece)) bytes.push(Number.parseInt(piece.slice(1), 16));
    else bytes.push(...Buffer.from(piece.startsWith('\\') ? piece.slice(1) : piece));
  }
  return Buffer.from(bytes).toString();
}
