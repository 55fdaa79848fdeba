/** Of a text that YAML cannot read, the one slip to tell: what follows from it would hide it. */

import * as z from 'zod';
import type { KeyPath } from './issue.ts';
import { firstLineFault } from './line-faults.ts';
import type { LineFault } from './line-words.ts';
import { maskedLines } from './mask.ts';
import { isKnownKey, type Schema } from './schema.ts';
import { Source } from './source.ts';
import { parseYaml, type YamlFlaw } from './yaml-document.ts';

/** A slip, and the line (from 1) to show it beside; 0 where there is none. */
type FirstFault = Omit<LineFault, 'hint' | 'beside'> & { readonly hint?: string; readonly beside: number };

/** The first slip as a person would find it, else the first that YAML itself names. `isHidden` tells what holds a secret. */
export function firstFault(
  source: Source,
  flaws: readonly YamlFlaw[],
  schema: Schema,
  isHidden: (offset: number) => boolean,
): FirstFault {
  const fatal = flaws.filter((flaw) => flaw.isFatal);
  const [first] = fatal.toSorted(
    (one, other) => one.span.line - other.span.line || one.span.column - other.span.column,
  );
  if (!first) throw new TypeError('a text without a fault has no first one');
  const questions = {
    knows: (path: KeyPath, key: string) => isKnownKey(schema, path, key),
    mayShow: (offset: number) => !isHidden(offset),
  };
  const fault = firstLineFault(source, first.span.line, questions);
  return fault
    ? { ...fault, beside: fault.beside ?? lineBefore(source, fault.span.line) }
    : { ...first, beside: lineBefore(source, first.span.line) };
}

function lineBefore(source: Source, line: number): number {
  return source.lines.slice(0, line - 1).findLastIndex((text) => !/^\s*(?:#|$)/.test(text)) + 1;
}

/** The first slip of any other YAML text, such as that of a users file; undefined where YAML reads all of it. */
export function firstSlip(
  text: string,
): (Pick<LineFault, 'message' | 'span'> & { readonly hint?: string }) | undefined {
  const source = new Source(text);
  const [control] = source.controlCharacters();
  if (control?.span) return { ...control, span: control.span };
  const { flaws } = parseYaml(source);
  if (!flaws.some(({ isFatal }) => isFatal)) return flaws[0];
  const hidden = maskedLines(source.lines, (line) => source.offsetOf(line));
  const isHidden = (offset: number) => hidden.some(([from, to]) => from <= offset && offset < to);
  return firstFault(source, flaws, z.unknown(), isHidden);
}
