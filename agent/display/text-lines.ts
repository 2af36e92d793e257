/** Breaks at spaces; a word that is longer than a line is cut. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of printable(text).split(" ").filter(Boolean)) {
    for (let at = 0; at < word.length; at += columns) {
      const piece = word.slice(at, at + columns);
      if (line !== "" && line.length + 1 + piece.length <= columns) line += ` ${piece}`;
      else {
        if (line !== "") lines.push(line);
        line = piece;
      }
    }
  }
  return line === "" ? lines : [...lines, line];
}

/** Text from the network or a disk must not steer the terminal; a serial console knows ASCII only. */
export function printable(text: string, alsoAllowed = ""): string {
  return text
    .replaceAll(/[–—]/g, "-")
    .replaceAll("…", "...")
    .replaceAll(/[^\x20-\x7e]/gu, (character) => {
      if (alsoAllowed.includes(character)) return character;
      return /\s/.test(character) ? " " : "?";
    });
}
