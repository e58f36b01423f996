/** How a message is named in what a check says: its beginning, in one line. */
export function shown(text: string): string {
  const line = text.replaceAll("\n", " ");
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}
