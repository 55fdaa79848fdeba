/** How long a measurement goes on: the one word that its command takes. */

/** The number on the command line, or `usual`; ends the process with the usage when it is none. */
export function amountGiven(usage: string, usual: number): number {
  const [word, ...more] = process.argv.slice(2);
  const amount = word === undefined ? usual : Number(word);
  if (amount > 0 && Number.isFinite(amount) && more.length === 0) return amount;
  console.error(`usage: ${usage}`);
  process.exit(2);
}
