/**
 * Which texts have been seen before, as far as a few bytes of each can tell: what comes once and never again, as all heads of some
 * clients do, is not worth keeping.
 */

const places = 16_384;

/** Remembers the last text of each place; another that falls there takes it. */
export class Sightings {
  readonly #last = new Uint32Array(places);

  /** Notes a text; whether it was noted before. Rarely it says so of one that was not. */
  isAnother(text: string): boolean {
    // FNV-1a.
    let digest = 0x811c9dc5;
    for (let index = 0; index < text.length; index += 1)
      digest = Math.imul(digest ^ text.charCodeAt(index), 0x01000193) >>> 0;
    const place = digest % places;
    if (this.#last[place] === digest) return true;
    this.#last[place] = digest;
    return false;
  }
}
