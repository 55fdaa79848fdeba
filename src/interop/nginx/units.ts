/** nginx's times and sizes in the words of our own configuration. */

const times: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  M: 2_592_000_000,
  y: 31_536_000_000,
};

/** A time such as `90`, `90s`, `1h 30m`; undefined for anything else. */
export function readTime(text: string): string | undefined {
  if (!/^(?:\d{1,9}(?:ms|[smhdwMy])?\s*)+$/.test(text)) return undefined;
  let milliseconds = 0;
  for (const [, number = '', unit = 's'] of text.matchAll(/(\d+)(ms|[smhdwMy])?/g))
    milliseconds += Number(number) * (times[unit] ?? 1);
  if (milliseconds < 1) return undefined;
  const [unit, length] = (['h', 'm', 's'] as const)
    .map((name) => [name, times[name] ?? 1] as const)
    .find(([, one]) => milliseconds % one === 0) ?? ['ms', 1];
  const count = milliseconds / length;
  return count < 1e9 ? `${count}${unit}` : undefined;
}

/** A size such as `10m`; undefined for anything else. 0 is no limit, as it is to nginx. */
export function readSize(text: string): string | number | undefined {
  const [, number = '', unit = ''] = /^(\d{1,12})([kmg]?)$/i.exec(text) ?? [];
  if (number === '') return undefined;
  const bytes = Number(number) * ({ k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[unit.toLowerCase()] ?? 1);
  if (bytes === 0) return 0;
  const [name, size] = (
    [
      ['gb', 1024 ** 3],
      ['mb', 1024 ** 2],
      ['kb', 1024],
    ] as const
  ).find(([, one]) => bytes % one === 0) ?? ['b', 1];
  const count = bytes / size;
  return count < 1e9 ? `${count}${name}` : undefined;
}
