/** The first words of a gateway that runs, for somebody at a terminal: where to go, and how to end it. */

/** What there is to open. */
interface Welcome {
  readonly publicUrl: URL;
  readonly admin: URL;
  /** The first line. */
  readonly title: string;
  /** Lines before the last. */
  readonly more?: readonly string[];
}

/** The words as a block of lines. */
export function welcomeText({ publicUrl, admin, title, more = [] }: Welcome): string {
  const lines = [
    title,
    '',
    `Open       ${publicUrl.href}`,
    `Operator   ${new URL('/health/ready', admin).href}`,
    ...(more.length > 0 ? ['', ...more] : []),
    '',
    'Ctrl-C stops it.',
  ];
  return `\n${lines.map((line) => `  ${line}`.trimEnd()).join('\n')}\n\n`;
}
