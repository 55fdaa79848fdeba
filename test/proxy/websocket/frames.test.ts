/** WebSocket frames: where one ends, however the bytes are cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { closeFrame, FrameReader } from '../../../src/proxy/websocket/frames.ts';
import { trials } from '../../support/tools/properties.ts';

function frame(opcode: number, length: number, isMasked: boolean): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const head =
    length < 126
      ? [mask | length]
      : length < 65_536
        ? [mask | 126, length >> 8, length & 255]
        : [mask | 127, 0, 0, 0, 0, (length >>> 24) & 255, (length >>> 16) & 255, (length >>> 8) & 255, length & 255];
  return Buffer.concat([
    Buffer.from([0x80 | opcode, ...head, ...(isMasked ? [1, 2, 3, 4] : [])]),
    Buffer.alloc(length, 0x88),
  ]);
}

const frames = fc.array(
  fc.tuple(
    fc.constantFrom(0, 1, 2, 9, 10),
    fc.oneof(fc.nat(130), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000)),
    fc.boolean(),
  ),
  { minLength: 1, maxLength: 6 },
);

test('frames: a reader is between frames exactly where frames end, however the stream is cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 8 }), (parts, cuts) => {
      const whole = parts.map((part) => frame(...part));
      let length = 0;
      const ends = whole.map((part) => {
        length += part.length;
        return length;
      });
      const stream = Buffer.concat(whole);
      const at = [...new Set([0, ...cuts.map((cut) => cut % stream.length), stream.length])].sort(
        (one, other) => one - other,
      );
      const reader = new FrameReader();
      for (let index = 1; index < at.length; index += 1) {
        reader.read(stream.subarray(at[index - 1], at[index]));
        assert.equal(reader.isBetween, ends.includes(at[index]!));
      }
      assert.equal(reader.dataFrames, parts.filter(([opcode]) => opcode < 8).length);
    }),
    trials(300),
  );
});

test('frames: reading stops at the first end of a frame when asked', () => {
  const stream = Buffer.concat([frame(1, 10, false), frame(2, 20, false)]);
  const reader = new FrameReader();
  reader.read(stream.subarray(0, 5));
  assert.equal(reader.read(stream.subarray(5), true), 7);
  assert.equal(reader.isBetween, true);
});

test('frames: a Close is noticed, and one of ours is well-formed', () => {
  const reader = new FrameReader();
  reader.read(closeFrame(1008, 'signed-out', true));
  assert.deepEqual([reader.isClosed, reader.isBetween, reader.dataFrames], [true, true, 0]);
  assert.deepEqual([...closeFrame(1008, 'ab')], [0x88, 4, 0x03, 0xf0, 0x61, 0x62]);
  assert.equal(closeFrame(1008, 'a'.repeat(500)).length, 127);
});
