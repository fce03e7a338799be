/** Shell commands that do the same as a page. */

/** Quotes a text as one word of a POSIX shell. A name with a leading dash is not taken for an option. */
export function shellWord(text: string): string {
  const safe = text.startsWith("-") ? `./${text}` : text;
  return /^[A-Za-z0-9_./:@%+,=-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", `'\\''`)}'`;
}

/** Shows a playlist. `url`: absolute. */
export function playlistLine(url: string): string {
  return `curl --compressed ${shellWord(url)}`;
}
