import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import type { LastWord } from "../ports.ts";

/** Keeps a last word as files that a shell can send: "url", "token", and "report" while there is something to say. */
export function lastWordIn(directory: string, log: Logger): (word: LastWord | undefined) => void {
  const at = (name: string) => join(directory, name);
  const put = (name: string, text: string) => writeFileSync(at(name), text, { mode: 0o600 });
  return (word) => {
    try {
      if (word === undefined) return rmSync(at("report"), { force: true });
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      put("url", word.url);
      put("token", word.token);
      put("report.new", JSON.stringify(word.report));
      renameSync(at("report.new"), at("report"));
    } catch (error) {
      // It is for a rare case, and no reason to end a restore.
      log.warn({ err: error }, "no last word is kept");
    }
  };
}
