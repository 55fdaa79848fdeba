/** JSON for a terminal's sake: what a client sent must not move the cursor or turn the text around where somebody reads a line. */

/** The same JSON, with what is not to be seen written as escapes. Reading it gives the same value. */
export function visibleJson(text: string): string {
  // Nearly all lines are plain ASCII, in which JSON has escaped the rest.
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  return text.replace(/[\x7f-\x9f\p{Cf}\u2028\u2029]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
