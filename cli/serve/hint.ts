/** Quotes a word for a POSIX shell, if it needs quotes. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Returns this launcher's command line without `--tcp`, from which the edge makes the exact command that would hold another port.
 * `argv`: the words after the program's name.
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
