/** What is wrong with a configuration, and where: the one form in which every reader of it reports. */

/** Keys and list positions from the top of the document. */
export type KeyPath = readonly (string | number)[];

/** The line that an issue is about, fit to be shown: secrets in it are masked. */
export interface Excerpt {
  readonly text: string;
  /** How many characters stand before the part that is meant. */
  readonly start: number;
  /** How many characters are meant; at least 1. */
  readonly length: number;
  /** The line to compare it with, where the YAML itself is wrong: the excerpt is a part of the message there. */
  readonly beside?: { readonly line: number; readonly text: string };
}

/** One thing that is wrong, in an operator's words. */
export interface ConfigIssue {
  /** As it was named by the caller. */
  readonly file: string;
  /** From 1; 0 when the issue has no line: the file itself cannot be read, or the value came from elsewhere (`origin`). */
  readonly line: number;
  /** From 1, in UTF-16 units as editors count; 0 without a line. */
  readonly column: number;
  /** Such as `providers.directory.url`; empty for the document as a whole. */
  readonly key: string;
  /** What it must be and what it is. Holds no secret. */
  readonly message: string;
  readonly hint?: string;
  /** Where the value came from when not from the file, such as `environment LOGIN_TIMEOUT_MS`. */
  readonly origin?: string;
  readonly excerpt?: Excerpt;
}

/** A path as it is written in messages: `providers.directory.url`, `routes[0].location`, `headers."a.b"`. */
export function dottedKey(path: KeyPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else {
      const word = /^[\w-]{1,64}$/.test(step) ? step : quoted(step);
      text += text === '' ? word : `.${word}`;
    }
  }
  return text;
}

/** Text in quotes, on one line, cut when long, with everything invisible written out. */
export function quoted(text: string, most = 60): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return legible(JSON.stringify(cut));
}

/** A sentence in which a text of the file may stand, on one line, with everything invisible written out. */
export function legible(sentence: string): string {
  const written = (mark: string): string => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return sentence.replace(/[\u0000-\u001f]/g, written).replace(invisible, written);
}

/** Control, formatting and direction marks: a terminal must not obey what stands in a file. */
export const invisible = /[\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
