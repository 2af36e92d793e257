import { readFileSync } from "node:fs";
import { Fault } from "../../fault.ts";
import { askHidden } from "../terminal/ask-hidden.ts";
import { outputOptions } from "../terminal/output.ts";

/**
 * A password for somebody: the first line of a file, or typed twice.
 *
 * @throws {Fault} USAGE when nobody can be asked, PASSWORD_DIFFERS
 */
export async function newPassword(user: string, file: string | undefined): Promise<string> {
  if (file !== undefined) return readFileSync(file, "utf8").split(/\r?\n/, 1)[0]!;
  const { input, json } = outputOptions();
  if (!input || json || process.stdin.isTTY !== true) {
    throw new Fault("USAGE", {
      what: "No password was given.",
      why: "There is no terminal to ask on (or --no-input or --json was given).",
      fix: `Give it with --password-file, or let them choose one: "bootcast user link ${user}".`,
    });
  }
  const password = await askHidden(`New password of ${user}: `);
  if ((await askHidden("Once more: ")) === password) return password;
  throw new Fault("PASSWORD_DIFFERS", {
    what: "Nothing was changed.",
    why: "The two were not the same.",
    fix: "Type it again.",
  });
}
