/** A word of a command line as a POSIX shell reads it back. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * This launcher's own command line without `--tcp`, so that the edge can print the exact command that would hold a port.
 * `argv` are the words after the program's name.
 */
export function serveHint(argv: readonly string[]): string {
  const kept: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--tcp") at++;
    else if (!word.startsWith("--tcp=")) kept.push(word);
  }
  return ["sallyport", ...kept].map(shellWord).join(" ");
}
