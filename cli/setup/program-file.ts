import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../../fault.ts";

/** Whoever has no rights at all. */
const NOBODY = 65_534;
const START_WITHIN_MS = 30_000;

/** The file that starts bootcast: `cli/bootcast.cjs` of the checkout or of the package. */
export function launcherFile(): string {
  const [checkout, packaged] = ["../bootcast.cjs", "../../../cli/bootcast.cjs"].map((path) =>
    join(import.meta.dirname, path),
  );
  return existsSync(checkout!) ? checkout! : packaged!;
}

/**
 * Tries as nobody whether a user without rights can start bootcast from where it lies. Only root can try.
 *
 * @throws {Fault} PROGRAM_UNREADABLE
 */
export async function requireReadableProgram(node: string, launcher: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  try {
    const options = { uid: NOBODY, gid: NOBODY, cwd: "/", timeout: START_WITHIN_MS };
    await promisify(execFile)(node, [launcher, "version"], options);
  } catch (error) {
    throw new Fault(
      "PROGRAM_UNREADABLE",
      {
        what: "The service could not start bootcast from where it lies.",
        why: `A user without rights cannot run ${node} ${launcher}: ${(error as Error).message.split("\n")[0]}`,
        fix: "Install it for everybody: sudo npm install -g bootcast, with a Node outside of /root and of home directories.",
      },
      error,
    );
  }
}
