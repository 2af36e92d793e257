import { MOST_LOG_LETTERS } from "../contract.ts";

/**
 * The end of the agent's log that goes with its last word, whole lines. What was only reported, a second after the
 * other, the server has heard already.
 *
 * @param text the whole log, lines of JSON
 */
export function logEnd(text: string, mostLetters: number = MOST_LOG_LETTERS): string {
  const lines: string[] = [];
  let letters = 0;
  for (const line of text.split("\n").toReversed()) {
    if (line === "" || line.includes('"msg":"report"')) continue;
    letters += line.length + 1;
    if (letters > mostLetters) break;
    lines.push(line);
  }
  return lines.toReversed().join("\n");
}
