/** Finds the word that somebody meant: for misspelt keys and values. */

/** The candidate that `word` is most likely a slip of; undefined when none is near enough to be worth naming. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = fold(word);
  if (wanted === '' || wanted.length > 64) return undefined;
  let best: { candidate: string; slips: number } | undefined;
  for (const candidate of candidates) {
    const known = fold(candidate);
    const slips = known === wanted ? 0 : isShortened(known, wanted) ? 1 : slipsBetween(wanted, known);
    if (slips <= allowedSlips(wanted, known) && (!best || slips < best.slips)) best = { candidate, slips };
  }
  return best?.candidate;
}

/**
 * The Damerau-Levenshtein distance of two words (optimal string alignment): how many letters were added, left out,
 * changed, or swapped with their neighbour.
 */
export function slipsBetween(left: string, right: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const changed = left[row - 1] === right[column - 1] ? 0 : 1;
      let slips = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + changed,
      );
      const isSwap =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (isSwap) slips = Math.min(slips, (beforePrevious[column - 2] ?? 0) + 1);
      current.push(slips);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[right.length] ?? 0;
}

/** One slip in three letters; of words of one or two letters only another case or spelling is near. */
function allowedSlips(left: string, right: string): number {
  return Math.floor(Math.max(left.length, right.length) / 3);
}

/** `environment` for `env`, `cert` for `certificate`. */
function isShortened(left: string, right: string): boolean {
  const [short, long] = left.length < right.length ? [left, right] : [right, left];
  return short.length >= 3 && long.startsWith(short);
}

/** `public_url`, `public-url` and `PublicUrl` are one word. */
function fold(word: string): string {
  return word.toLowerCase().replaceAll(/[\s_-]/g, '');
}
