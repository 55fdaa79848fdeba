/** Reads a page strictly: tags that nest, attributes in double quotes, nothing that a browser would have to mend. */
import assert from 'node:assert/strict';

/** An element with its attributes, in document order. */
export interface Element {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly parents: readonly string[];
}

const empty = new Set(['meta', 'link', 'input', 'img', 'br']);

/** All elements of a document; fails on anything malformed. */
export function readDocument(markup: string): Element[] {
  assert.match(markup, /^<!doctype html>\n<html lang="[a-z]{2}">/);
  const elements: Element[] = [];
  const open: string[] = [];
  let rest = markup.replace(/^<!doctype html>/, '');
  while (rest !== '') {
    const text = /^[^<>]+/.exec(rest)?.[0];
    if (text !== undefined) {
      assert.doesNotMatch(text, /&(?!(?:amp|lt|gt|quot|#39);)/, 'a bare ampersand');
      rest = rest.slice(text.length);
      continue;
    }
    const tag = /^<(\/?)([a-zA-Z0-9]+)((?:\s+[a-zA-Z][a-zA-Z0-9-]*(?:="[^"<>]*")?)*)\s*(\/?)>/.exec(rest);
    assert.ok(tag, `cannot be read: ${rest.slice(0, 80)}`);
    const [whole, closing, name = '', attributes = '', selfClosing] = tag;
    rest = rest.slice(whole.length);
    if (closing) assert.equal(open.pop(), name, 'tags nest');
    else {
      const pairs = [...attributes.matchAll(/([a-zA-Z][a-zA-Z0-9-]*)(?:="([^"]*)")?/g)].map(
        ([, key, value]) => [key!, value ?? ''] as const,
      );
      assert.equal(new Set(pairs.map(([key]) => key)).size, pairs.length, `an attribute twice: ${whole}`);
      elements.push({ name, attributes: new Map(pairs), parents: [...open] });
      if (!selfClosing && !empty.has(name)) open.push(name);
    }
  }
  assert.deepEqual(open, [], 'every tag is closed');
  return elements;
}
