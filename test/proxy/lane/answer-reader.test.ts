/** Answers as the lane reads them: cut anywhere, with every end that a body can have, and those that lie. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AnswerHead } from '../../../src/proxy/lane/answer-head.ts';
import { AnswerReader } from '../../../src/proxy/lane/answer-reader.ts';
import { trials } from '../../support/tools/properties.ts';

/** What came of an answer in these pieces. */
function read(pieces: readonly Buffer[], method = 'GET') {
  const seen = { status: 0, body: '', hints: 0, isSound: undefined as boolean | undefined, fault: '' };
  const reader = new AnswerReader(method, {
    onHints: () => {
      seen.hints += 1;
    },
    onHead: ({ status }: AnswerHead) => {
      seen.status = status;
    },
    onPart: (part) => {
      seen.body += part.toString('latin1');
    },
    onHeadAlone: () => undefined,
    onWhole: (isSound) => {
      seen.isSound = isSound;
    },
  });
  try {
    for (const piece of pieces) reader.read(piece);
  } catch (error) {
    seen.fault = error instanceof Error ? error.message : String(error);
  }
  return { ...seen, isWhole: reader.end() };
}

const ok = 'HTTP/1.1 200 OK\r\n';
const whole: Readonly<Record<string, { readonly text: string; readonly method?: string; readonly body: string }>> = {
  length: { text: `${ok}Content-Length: 5\r\n\r\nhello`, body: 'hello' },
  chunks: {
    text: `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-T: 1\r\n\r\n`,
    body: 'hello',
  },
  'no body': { text: 'HTTP/1.1 204 No Content\r\n\r\n', body: '' },
  'the answer to HEAD': { text: `${ok}Content-Length: 5\r\n\r\n`, method: 'HEAD', body: '' },
  'not modified': { text: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', body: '' },
  'hints before it': {
    text: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}Content-Length: 1\r\n\r\na`,
    body: 'a',
  },
};

for (const [name, { text, method, body }] of Object.entries(whole))
  test(`lane: an answer with ${name} is read whole, however it is cut, and leaves the connection sound`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: text.length }), { maxLength: 6 }), (cuts) => {
        const places = [0, ...cuts.toSorted((one, other) => one - other), text.length];
        const pieces = places.slice(1).map((to, index) => Buffer.from(text.slice(places[index], to), 'latin1'));
        const seen = read(
          pieces.filter(({ length }) => length > 0),
          method,
        );
        assert.deepEqual([seen.fault, seen.body, seen.isSound, seen.isWhole], ['', body, true, true]);
      }),
      trials(60),
    );
  });

test('lane: what stands behind an answer leaves its connection to nobody', () => {
  for (const { text, method } of Object.values(whole)) {
    const seen = read([Buffer.from(`${text}${ok}Content-Length: 0\r\n\r\n`)], method);
    assert.deepEqual([seen.fault, seen.isSound], ['', false]);
  }
  assert.equal(read([Buffer.from(`${ok}Content-Length: 0\r\nConnection: close\r\n\r\n`)]).isSound, false);
});

const lies: Readonly<Record<string, string>> = {
  'two lengths': `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
  'one length twice': `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
  'a length and chunks': `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a length that is no number': `${ok}Content-Length: +5\r\n\r\nhello`,
  'a coding before chunked': `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'a change of the protocol': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
  'a folded line': `${ok}X-A: 1\r\n two\r\n\r\n`,
  'a bare line feed': `${ok}X-A: 1\nX-B: 2\r\n\r\n`,
  'a blank before the colon': `${ok}X-A : 1\r\n\r\n`,
  'no HTTP': 'SSH-2.0-x\r\n\r\n',
  'a chunk size that is none': `${ok}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n`,
  'a chunk longer than it says': `${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n`,
  'a chunk size that ends in a line feed': `${ok}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`,
  'an endless head': `${ok}X-A: ${'a'.repeat(70_000)}`,
  '1xx without end': 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(101),
};
for (const [name, text] of Object.entries(lies))
  test(`lane: an answer with ${name} is refused`, () => {
    const seen = read([Buffer.from(text, 'latin1')]);
    assert.notEqual(seen.fault, '');
    assert.notEqual(seen.isSound, true);
  });

test('lane: an answer that ends early is not whole; one without a length ends with its connection', () => {
  assert.equal(read([Buffer.from(`${ok}Content-Length: 5\r\n\r\nhel`)]).isWhole, false);
  assert.equal(read([Buffer.from(`${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhel`)]).isWhole, false);
  const open = read([Buffer.from(`${ok}\r\nhel`), Buffer.from('lo')]);
  assert.deepEqual([open.body, open.isSound, open.isWhole], ['hello', undefined, true]);
});
