/** Rows of a large letter. */
export const LETTER_ROWS = 5;
const LETTER_COLUMNS = 5;

/** Five rows of five dots, "#" is lit. */
const dots: Readonly<Record<string, string>> = {
  A: " ### /#   #/#####/#   #/#   #",
  B: "#### /#   #/#### /#   #/#### ",
  C: " ####/#    /#    /#    / ####",
  D: "#### /#   #/#   #/#   #/#### ",
  E: "#####/#    /###  /#    /#####",
  F: "#####/#    /###  /#    /#    ",
  G: " ####/#    /#  ##/#   #/ ####",
  H: "#   #/#   #/#####/#   #/#   #",
  I: " ### /  #  /  #  /  #  / ### ",
  J: "  ###/   # /   # /#  # / ##  ",
  K: "#   #/#  # /###  /#  # /#   #",
  L: "#    /#    /#    /#    /#####",
  M: "#   #/## ##/# # #/#   #/#   #",
  N: "#   #/##  #/# # #/#  ##/#   #",
  O: " ### /#   #/#   #/#   #/ ### ",
  P: "#### /#   #/#### /#    /#    ",
  Q: " ### /#   #/# # #/#  # / ## #",
  R: "#### /#   #/#### /#  # /#   #",
  S: " ####/#    / ### /    #/#### ",
  T: "#####/  #  /  #  /  #  /  #  ",
  U: "#   #/#   #/#   #/#   #/ ### ",
  V: "#   #/#   #/#   #/ # # /  #  ",
  W: "#   #/#   #/# # #/## ##/#   #",
  X: "#   #/ # # /  #  / # # /#   #",
  Y: "#   #/ # # /  #  /  #  /  #  ",
  Z: "#####/   # /  #  / #   /#####",
  0: " ### /#  ##/# # #/##  #/ ### ",
  1: "  #  / ##  /  #  /  #  / ### ",
  2: "#### /    #/ ### /#    /#####",
  3: "#### /    #/ ### /    #/#### ",
  4: "#  # /#  # /#####/   # /   # ",
  5: "#####/#    /#### /    #/#### ",
  6: " ### /#    /#### /#   #/ ### ",
  7: "#####/    #/   # /  #  /  #  ",
  8: " ### /#   #/ ### /#   #/ ### ",
  9: " ### /#   #/ ####/    #/ ### ",
  "-": "     /     / ### /     /     ",
  ".": "     /     /     / ##  / ##  ",
  _: "     /     /     /     /#####",
};

/**
 * A name in large letters, or undefined when it is too long for `columns` or has a character without a large form: then
 * it is shown as it is.
 */
export function largeLetters(name: string, columns: number): string[] | undefined {
  const letters = Array.from(name.toUpperCase(), (character) => dots[character]?.split("/"));
  const width = letters.length * (LETTER_COLUMNS + 1) - 1;
  if (letters.length === 0 || width > columns) return undefined;
  const rows: string[] = [];
  for (let row = 0; row < LETTER_ROWS; row += 1) {
    const parts: string[] = [];
    for (const letter of letters) {
      const part = letter?.[row];
      if (part === undefined) return undefined;
      parts.push(part);
    }
    rows.push(parts.join(" ").replaceAll("#", "█").trimEnd());
  }
  return rows;
}
