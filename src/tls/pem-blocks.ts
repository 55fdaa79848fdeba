/** Revocation lists in PEM, decoded in pieces: one of the largest would keep requests waiting if it were done at once. */
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { OperatorError } from '../core/errors.ts';

const begins = ['-----BEGIN X509 CRL-----', '-----BEGIN CRL-----'];
const piece = 1024 * 1024;

/** The lists in a file, in DER. Text between them is ignored. */
export async function crlBlocks(bytes: Buffer, file: string): Promise<Buffer[]> {
  const blocks: Buffer[] = [];
  for (let at = 0; ; ) {
    const found = begins
      .map((begin) => ({ begin, start: bytes.indexOf(begin, at) }))
      .filter(({ start }) => start >= 0)
      .sort((one, other) => one.start - other.start)[0];
    if (!found) break;
    const end = bytes.indexOf(found.begin.replace('BEGIN', 'END'), found.start);
    if (end < 0)
      throw new OperatorError(`the file ${file} is cut off: a list begins and does not end`, 'fetch it again, whole');
    blocks.push(await decoded(bytes.subarray(found.start + found.begin.length, end)));
    at = end;
  }
  if (blocks.length > 0) return blocks;
  const other = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(bytes.subarray(0, 65_536).toString('latin1'))?.[1];
  throw new OperatorError(
    `the file ${file} holds no revocation list${other ? `, but a ${other.toLowerCase()}` : ''}`,
    'it must hold one in DER, or a "-----BEGIN X509 CRL-----" block',
  );
}

/** Base64 in slices of whole groups of four; what is no base64 is left for the walk to find. */
async function decoded(body: Buffer): Promise<Buffer> {
  const parts: Buffer[] = [];
  let rest = '';
  for (let at = 0; at < body.length; at += piece) {
    const text =
      rest +
      body
        .subarray(at, at + piece)
        .toString('latin1')
        .replace(/\s+/g, '');
    const whole = text.length - (text.length % 4);
    parts.push(Buffer.from(text.slice(0, whole), 'base64'));
    rest = text.slice(whole);
    await yieldToOthers();
  }
  parts.push(Buffer.from(rest, 'base64'));
  return Buffer.concat(parts);
}
