/** Lines that do in a shell what a page does. */

/** A word of a POSIX shell that stands for just this text. A name that begins with a dash is no option. */
export function shellWord(text: string): string {
  const safe = text.startsWith("-") ? `./${text}` : text;
  return /^[A-Za-z0-9_./:@%+,=-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", `'\\''`)}'`;
}

/** Shows a playlist. `url`: whole. */
export function playlistLine(url: string): string {
  return `curl --compressed ${shellWord(url)}`;
}
