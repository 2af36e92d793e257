import { Fault } from "../../fault.ts";

const ENTER = /[\r\n\x04]/;
const BACKSPACE = /[\x7f\b]/;

/** Reads a line from the terminal that does not show it. @throws {Fault} INTERRUPTED */
export async function askHidden(question: string): Promise<string> {
  const { stdin, stderr } = process;
  // Before the question: what is typed faster than that would be shown.
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stderr.write(question);
  try {
    let typed = "";
    for (;;) {
      const keys = await new Promise<string>((resolve) => stdin.resume().once("data", (text) => resolve(String(text))));
      for (const key of keys) {
        if (key === "\x03") throw interrupted();
        if (ENTER.test(key)) return typed;
        typed = BACKSPACE.test(key) ? [...typed].slice(0, -1).join("") : typed + key;
      }
    }
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}

function interrupted(): Fault {
  return new Fault("INTERRUPTED", {
    what: "Nothing was typed.",
    why: "Ctrl-C was pressed.",
    fix: "Start the command again.",
  });
}
