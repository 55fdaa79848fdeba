/**
 * Distinguished names as RFC 4514 writes them: in one spelling, so that a group named by its DN is that group and no other, and
 * the few parts of one that a directory's user or group is named by.
 */

/** A distinguished name that was read. */
interface DistinguishedName {
  /** The same for every spelling of the same name. */
  readonly canonical: string;
  /** The value of the first RDN, such as `agents`; undefined when that RDN has several. */
  readonly leaf: string | undefined;
}

interface Attribute {
  readonly type: string;
  readonly value: string;
}

const type = /^\s*(?:oid\.)?([a-z][a-z0-9-]*|\d+(?:\.\d+)+)\s*=\s*/i;
const otherTypes: Readonly<Record<string, string>> = {
  '2.5.4.3': 'cn',
  commonname: 'cn',
  '2.5.4.10': 'o',
  organizationname: 'o',
  '2.5.4.11': 'ou',
  organizationalunitname: 'ou',
  '2.5.4.6': 'c',
  countryname: 'c',
  '0.9.2342.19200300.100.1.25': 'dc',
  domaincomponent: 'dc',
  '0.9.2342.19200300.100.1.1': 'uid',
  userid: 'uid',
};

/** The one spelling of a name that directories compare without regard to case: NFKC, lower case, single spaces. */
export function foldName(name: string): string {
  return name.normalize('NFKC').replace(/\s+/g, ' ').trim().toLowerCase();
}

/** Reads a distinguished name; undefined for text that is none, such as a plain group name. */
export function readDn(text: string): DistinguishedName | undefined {
  const names: Attribute[][] = [[]];
  let rest = text;
  for (;;) {
    const start = type.exec(rest);
    if (!start) return undefined;
    const value = readValue(rest.slice(start[0].length));
    if (!value) return undefined;
    const written = start[1]?.toLowerCase() ?? '';
    names.at(-1)?.push({ type: otherTypes[written] ?? written, value: foldName(value.text) });
    if (value.rest === '') break;
    if (value.rest.startsWith('+')) rest = value.rest.slice(1);
    else {
      names.push([]);
      rest = value.rest.slice(1);
    }
  }
  const [first = []] = names;
  // Ordered, since the attributes of one RDN are a set; quoted, since values may hold any sign.
  const canonical = JSON.stringify(names.map((name) => name.map(({ type, value }) => [type, value]).sort(byText)));
  return { canonical, leaf: first.length === 1 ? first[0]?.value : undefined };
}

/** Whether an entry is another one or below it; both names canonical, in which a quotation mark within a value is escaped. */
export function isAtOrBelow(entry: string, base: string): boolean {
  return entry === base || entry.endsWith(`,${base.slice(1)}`);
}

/** One relative distinguished name: its first attribute, and its value without escapes. */
interface Rdn {
  readonly attribute: string;
  readonly value: string;
}

/** The name nearest to the entry, such as `cn` and `agents` of `cn=agents,ou=groups,dc=example`; undefined when it is no DN. */
export function firstRdn(dn: string): Rdn | undefined {
  const match = /^\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*=\s*((?:\\.|[^,+\\])*)/s.exec(dn);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  // A trailing space belongs to the value only when it is escaped.
  return { attribute: match[1], value: unescapeValue(match[2].replace(/(\\ )?\s*$/, '$1')) };
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

function byText(a: readonly string[], b: readonly string[]): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** Reads a value up to the next unescaped comma, semicolon or plus sign; quotes are RFC 2253's. */
function readValue(text: string): { text: string; rest: string } | undefined {
  const quoted = /^"((?:[^"\\]|\\.)*)"\s*(?=[,;+]|$)/s.exec(text);
  if (quoted) return { text: unescapeValue(quoted[1] ?? ''), rest: text.slice(quoted[0].length) };
  const [plain = ''] = /^(?:[^\\,;+"<>]|\\[0-9a-f]{2}|\\[^0-9a-f])*/is.exec(text) ?? [];
  const rest = text.slice(plain.length);
  return plain.trim() === '' || !/^(?:[,;+]|$)/.test(rest) ? undefined : { text: unescapeValue(plain), rest };
}

function unescapeValue(value: string): string {
  return value.replace(/(?:\\[0-9a-f]{2})+|\\(.)/gis, (escaped, sign: string | undefined) =>
    sign === undefined ? Buffer.from(escaped.replaceAll('\\', ''), 'hex').toString('utf8') : sign,
  );
}
