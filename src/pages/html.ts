/** A tagged template for HTML that escapes every value and reads every address before it stands in an attribute. */

class Html {
  readonly #markup: string;

  constructor(markup: string) {
    this.#markup = markup;
  }

  toString(): string {
    return this.#markup;
  }
}

/** Markup made by the `html` tag; there is no other way to make any. */
export type { Html };

/** What a template may hold: text is escaped, markup is not, lists are joined, `false` and `undefined` are nothing. */
export type Part = Html | string | number | false | undefined | readonly Part[];

/** Between tags or in a quoted attribute; at the start of an attribute that holds an address; among the attributes. */
type Slot = 'text' | 'address' | 'tag';

const slots = new WeakMap<TemplateStringsArray, readonly Slot[]>();

/** Markup from a template. Values go between tags or into attributes in double quotes, never into tags or scripts. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  const kinds = slots.get(strings) ?? readSlots(strings);
  const body = values.map((value, i) => render(value, kinds[i] ?? 'text') + (strings[i + 1] ?? ''));
  return new Html((strings[0] ?? '') + body.join(''));
}

/**
 * The address as it may stand in `href`, `src` or `action`: a path on this site, or http, https, mailto or tel.
 *
 * Anything else, such as `javascript:` in any spelling that a browser would run, becomes `about:invalid`.
 */
export function safeAddress(address: string): string {
  const base = 'http://gatehouse.invalid';
  const url = URL.canParse(address, base) ? new URL(address, base) : undefined;
  if (!url) return 'about:invalid';
  if (address.startsWith('/')) return url.origin === base ? address : 'about:invalid';
  return /^(?:https?:\/\/|mailto:|tel:)/i.test(address) && url.origin !== base ? address : 'about:invalid';
}

function render(value: Part, slot: Slot): string {
  if (value === false || value === undefined) return '';
  if (value instanceof Html) return value.toString();
  if (Array.isArray(value)) return value.map((part: Part) => render(part, slot)).join('');
  if (slot === 'tag') throw new TypeError('html: among attributes goes markup only');
  const text = String(value);
  return escapeText(slot === 'address' ? safeAddress(text) : text);
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeText(text: string): string {
  return text
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '\ufffd')
    .replace(/[&<>"']/g, (character) => escapes[character] ?? '');
}

function readSlots(strings: TemplateStringsArray): readonly Slot[] {
  const kinds = strings.slice(0, -1).map((before, i) => readSlot(before, strings.slice(0, i + 1).join('')));
  slots.set(strings, kinds);
  return kinds;
}

/** Where a value stands: `before` is the text since the value before it, `all` the whole template up to here. */
function readSlot(before: string, all: string): Slot {
  const tag = all.lastIndexOf('<') > all.lastIndexOf('>') ? all.slice(all.lastIndexOf('<')) : undefined;
  const isQuoted = tag !== undefined && tag.split('"').length % 2 === 0;
  const isFragment = !/[<>]/.test(all) && /(?:^|\s)[\w-]+=$/.test(all);
  // Without quotes a space in the value would begin a new attribute.
  if (isFragment || (tag !== undefined && !isQuoted && before.endsWith('=')))
    throw new TypeError(`html: quote the attribute after ${before.slice(-20)}`);
  if (tag !== undefined && !isQuoted) return 'tag';
  return /\s(?:href|src|action|formaction)="$/i.test(before) ? 'address' : 'text';
}
