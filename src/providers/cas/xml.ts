/**
 * Reads the small XML documents of CAS into a tree: strict, with namespaces, without a DTD, bounded. Who walks the tree names
 * each step of the path; nothing here searches, so an element in the wrong place is never found.
 */
import { SaxesParser } from 'saxes';

/** One element. */
export interface Element {
  readonly namespace: string;
  readonly name: string;
  /** Attributes without a namespace. A Map: names such as `__proto__` are only names. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly Element[];
  /** The character data directly below, CDATA sections included. */
  readonly text: string;
  /** Whether `text` was in several pieces with a comment or an instruction between them. */
  readonly isInterrupted: boolean;
}

/** What a document may be at most. */
const limits = { characters: 1024 * 1024, depth: 6, elements: 5000 } as const;

/** A document that is not well-formed XML, or more than we take. The message holds nothing of the document. */
export class XmlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'XmlError';
  }
}

interface Draft {
  readonly namespace: string;
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: Draft[];
  text: string;
  isInterrupted: boolean;
}

/** Reads a whole document. Throws an XmlError for anything that is not exactly one well-formed tree within the limits. */
export function readXml(document: string): Element {
  if (document.length > limits.characters) throw new XmlError('the document is too large');
  const open: Draft[] = [];
  let root: Draft | undefined;
  let elements = 0;
  const parser = new SaxesParser({ xmlns: true, forceXMLVersion: true, defaultXMLVersion: '1.0' });
  const interrupt = (): void => {
    const inside = open.at(-1);
    if (inside) inside.isInterrupted = true;
  };
  const append = (text: string): void => {
    const inside = open.at(-1);
    if (inside) inside.text += text;
  };
  parser.on('error', () => {
    throw new XmlError('the document is not well-formed XML');
  });
  parser.on('doctype', () => {
    throw new XmlError('the document has a DTD, which is refused');
  });
  parser.on('comment', interrupt);
  parser.on('processinginstruction', interrupt);
  parser.on('text', append);
  parser.on('cdata', append);
  parser.on('opentag', ({ uri, local, attributes }) => {
    elements += 1;
    if (elements > limits.elements) throw new XmlError('the document has too many elements');
    if (open.length >= limits.depth) throw new XmlError('the document is nested too deeply');
    const own = Object.values(attributes).filter((attribute) => attribute.uri === '');
    const element: Draft = {
      namespace: uri,
      name: local,
      attributes: new Map(own.map((attribute) => [attribute.local, attribute.value])),
      children: [],
      text: '',
      isInterrupted: false,
    };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on('closetag', () => void open.pop());
  parser.write(document).close();
  if (!root) throw new XmlError('the document is empty');
  return root;
}

/** The children of a name; other namespaces do not count. */
export function childrenOf(element: Element, namespace: string, name: string): readonly Element[] {
  return element.children.filter((child) => child.namespace === namespace && child.name === name);
}

/**
 * The text of an element that holds nothing else, without the layout around it. Throws an XmlError when there are elements
 * in it, or a comment: `admin<!-- -->.evil` would be one name here and another elsewhere.
 */
export function plainText(element: Element): string {
  if (element.children.length > 0) throw new XmlError(`there are elements within ${element.name}`);
  if (element.isInterrupted) throw new XmlError(`there is a comment within ${element.name}`);
  return withoutLayout(element.text);
}

/** A text without the white space that sets it on a line of its own; a blank of another kind is a part of it. */
export function withoutLayout(text: string): string {
  return text.replace(/^[ \t]*[\r\n][ \t\r\n]*/, '').replace(/(?<![ \t\r\n])[ \t]*[\r\n][ \t\r\n]*$/, '');
}
