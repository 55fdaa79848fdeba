/** Configurations with many applications, whose locations differ in length. */

/** How many lengths there are. */
const lengths = 300;

/** Locations of up to 300 lengths, each in a part of its own, and everything else. */
export function locationsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const start = `/app${index}/`;
    return `${start}${'p'.repeat(Math.max(1, (index % lengths) + 8 - start.length))}/`;
  });
}

/** Routes to an upstream: so many with locations of their own, the last for everything else. */
export function manyRoutes(count: number, upstream: number): object[] {
  return [...locationsOf(count - 1), '/'].map((location) => ({
    location,
    upstream: `http://127.0.0.1:${upstream}`,
    access: { roles: ['agent'] },
    ...(location !== '/' && { name: location.split('/')[1] ?? location }),
  }));
}
