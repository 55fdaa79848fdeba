/**
 * Says in our own words what YAML did not like. The library's messages are not passed on: some of them quote the text,
 * and an unquoted password that begins with `*` or `!` is just what ends up there.
 */
import { type Document, isCollection, isScalar, visit, type YAMLError } from 'yaml';
import type { Flaw, Source } from './source.ts';

const quoteIt = 'put the value in quotes';

const texts: Readonly<Record<string, Omit<Flaw, 'span'>>> = {
  TAB_AS_INDENT: { message: 'a tab stands where spaces are needed', hint: 'indent with spaces' },
  BAD_INDENT: {
    message: 'the indentation does not fit the lines above',
    hint: 'all keys of one mapping begin in the same column',
  },
  DUPLICATE_KEY: { message: 'stands twice in the same mapping', hint: 'keep one of the two' },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'a second "key: value" begins on this line',
    hint: `${quoteIt}, or start a new line`,
  },
  BLOCK_IN_FLOW: {
    message: 'an indented block stands inside { } or [ ]',
    hint: 'write it inside the brackets, or all of it indented',
  },
  MULTILINE_IMPLICIT_KEY: {
    message: 'no key ends on this line: a colon followed by a space is missing',
    hint: 'write "key: value"',
  },
  KEY_OVER_1024_CHARS: {
    message: 'the key is longer than 1024 characters',
    hint: 'is a quote or a line break missing?',
  },
  NON_STRING_KEY: { message: 'the key is a list or a mapping', hint: 'a key must be plain text' },
  BAD_DQ_ESCAPE: {
    message: 'this is no escape that YAML knows in double quotes',
    hint: 'write the backslash twice, or use single quotes',
  },
  UNEXPECTED_TOKEN: { message: 'this does not belong here: the value has ended before', hint: quoteIt },
  BAD_ALIAS: { message: 'this is not the name of an anchor', hint: `${quoteIt} if it is meant as text` },
  ALIAS_PROPS: { message: 'an alias may have no anchor or tag of its own', hint: 'remove them' },
  BAD_DIRECTIVE: { message: 'this directive is not known', hint: `remove the line; if it is a value, ${quoteIt}` },
  MULTIPLE_DOCS: {
    message: 'a second document begins here',
    hint: 'remove the line "---"; one file holds one document',
  },
  MULTIPLE_ANCHORS: { message: 'a value has two anchors', hint: 'keep one of them' },
  MULTIPLE_TAGS: { message: 'a value has two tags', hint: 'remove them' },
  BAD_PROP_ORDER: { message: 'an anchor or tag stands at the wrong place', hint: 'write it just before the value' },
  TAG_RESOLVE_FAILED: { message: 'a value begins with a tag (!), and tags are not known here', hint: quoteIt },
  BAD_COLLECTION_TYPE: { message: 'a tag does not fit its value', hint: 'remove the tag' },
  RESOURCE_EXHAUSTION: {
    message: 'brackets or lists are nested too deep',
    hint: 'a configuration needs only a few levels',
  },
};

/** What is wrong, and the place where somebody would mend it. */
export function yamlFlaw(error: YAMLError, document: Document, source: Source): Flaw {
  const [from, to] = error.pos;
  if (error.code === 'MISSING_CHAR' || error.code === 'BAD_INDENT') {
    const open = unclosed(document, source, from);
    if (open) return open;
  }
  if (error.code === 'MISSING_CHAR') {
    const isKey = /map keys/.test(error.message);
    const message = isKey
      ? 'a key stands here without a colon'
      : 'a comma, a bracket or a space is missing before this';
    const hint = isKey ? 'write "key: value"' : 'look at the end of the value before it';
    return { message, hint, span: source.span(from, to) };
  }
  if (error.code === 'BAD_SCALAR_START')
    return { message: `a value may not begin with ${source.text[from]}`, hint: quoteIt, span: source.span(from, to) };
  const text = texts[error.code] ?? { message: 'this cannot be read as YAML', hint: quoteIt };
  return { ...text, span: source.span(from, to) };
}

const closers: Readonly<Record<string, string>> = { '{': '}', '[': ']' };

/** The quote or bracket that was opened and never closed: the end of the file, where that shows, helps nobody. */
function unclosed(document: Document, source: Source, before: number): Flaw | undefined {
  let found: { at: number; mark: string; isQuote: boolean } | undefined;
  visit(document, {
    Node: (_, node) => {
      const [start, end] = node.range ?? [0, 0];
      if (start > before || (found && start < found.at)) return;
      const opens = source.text[start] ?? '';
      const last = source.text[end - 1];
      if (isScalar(node) && /^QUOTE/.test(node.type ?? '') && (last !== opens || end - start < 2))
        found = { at: start, mark: opens, isQuote: true };
      // A pair without braces inside a list, `[a: b]`, is a mapping too, and opens with no mark.
      else if (isCollection(node) && node.flow && opens in closers && last !== closers[opens])
        found = { at: start, mark: opens, isQuote: false };
    },
  });
  if (!found) return undefined;
  const { at, mark, isQuote } = found;
  const message = isQuote ? `the quote that opens here (${mark}) is never closed` : `the ${mark} here is never closed`;
  const hint = isQuote
    ? 'close it on the same line'
    : `close it with ${closers[mark]}; lines inside it must be indented`;
  return { message, hint, span: source.span(at, at + 1) };
}
