/** What an answer says of its user, by the names that the configuration gives to RADIUS attributes. */
import { type RadiusAnswer, type RadiusAttribute, types } from './packet.ts';

/** Where a value stands: an attribute of the protocol, or of a vendor. */
type AttributePlace = {
  readonly type: number;
  readonly vendor?: number;
};

/** Attributes that hold text and are in use for groups and the like; all others go by their numbers. */
const places: Readonly<Record<string, AttributePlace>> = {
  'User-Name': { type: types.userName },
  'Filter-Id': { type: 11 },
  'Callback-Number': { type: 19 },
  'Callback-Id': { type: 20 },
  Class: { type: 25 },
  'Login-LAT-Group': { type: 36 },
  'Connect-Info': { type: 77 },
  'Cisco-AVPair': { vendor: 9, type: 1 },
  'Fortinet-Group-Name': { vendor: 12_356, type: 1 },
  'PaloAlto-User-Group': { vendor: 25_461, type: 5 },
};

/** The names by which attributes can be written. */
export const attributeNames: readonly string[] = Object.keys(places);

/** Reads `Filter-Id`, `11`, or `9.1` for the first of vendor 9; undefined where it is none of them. */
export function readPlace(text: string): AttributePlace | undefined {
  if (Object.hasOwn(places, text)) return places[text];
  const [, vendor, type] = /^(?:(\d{1,10})\.)?(\d{1,3})$/.exec(text) ?? [];
  const place = { type: Number(type), ...(vendor !== undefined && { vendor: Number(vendor) }) };
  // What passwords, keys and digests travel in says nothing of a user.
  const isOwn =
    vendor === undefined && [types.userPassword, types.vendorSpecific, types.state].includes(place.type as 2);
  return type === undefined || place.type < 1 || place.type > 255 || isOwn ? undefined : place;
}

/** The values of an attribute that are text; others, such as a Class that only its server can read, are none. */
export function textsOf({ attributes }: Pick<RadiusAnswer, 'attributes'>, { type, vendor }: AttributePlace): string[] {
  const found =
    vendor === undefined
      ? attributes.filter((attribute) => attribute.type === type).map(({ value }) => value)
      : attributes
          .filter((attribute) => attribute.type === types.vendorSpecific)
          .flatMap((own) => ofVendor(own, vendor, type));
  return found.flatMap((value) => textOf(value) ?? []);
}

/** What a server tells the user, on one line each. */
export function messageOf({ attributes }: Pick<RadiusAnswer, 'attributes'>): string {
  const lines = attributes.filter(({ type }) => type === types.replyMessage).map(({ value }) => value.toString('utf8'));
  return lines
    .join(' ')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, maxMessage);
}

const maxMessage = 500;
const vendorHeader = 4;

/** The values within a vendor's attribute, as RFC 2865 §5.26 recommends to lay them out. */
function ofVendor({ value }: RadiusAttribute, vendor: number, wanted: number): Buffer[] {
  if (value.length < vendorHeader || value.readUInt32BE(0) !== vendor) return [];
  const values: Buffer[] = [];
  for (let at = vendorHeader; at < value.length; ) {
    const [type = 0, length = 0] = value.subarray(at, at + 2);
    if (length < 2 || at + length > value.length) return [];
    if (type === wanted) values.push(value.subarray(at + 2, at + length));
    at += length;
  }
  return values;
}

function textOf(value: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(value).trim();
    return text === '' || /\p{Cc}/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
