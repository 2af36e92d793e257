import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, lchown, mkdir, rename, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { Fault } from "../../fault.ts";
import { readAccounts } from "./accounts.ts";
import { SERVICE, USER } from "./places.ts";
import type { Step } from "./plan.ts";

const COMMAND_WITHIN_MS = 120_000;

/** Carries out one step; each leaves the system as if it had never been begun, or done. @throws {Fault} COMMAND_FAILED */
export async function applyStep(
  step: Step,
  program: { readonly node: string; readonly launcher: string },
): Promise<void> {
  switch (step.do) {
    case "user": {
      const words = ["--system", "--user-group", "--no-create-home", "--home-dir", step.home];
      return command("useradd", [...words, "--shell", "/usr/sbin/nologin", "--comment", "bootcast server", step.name]);
    }
    case "write":
      return writeBeside(step.path, step.text);
    case "data":
      return giveData(step.path);
    case "tune":
      return command("sysctl", ["--quiet", "--load", step.path]);
    case "build":
      return build(program);
    case "start":
      await command("systemctl", ["daemon-reload"]);
      await command("systemctl", ["enable", "--quiet", SERVICE]);
      // With Type=notify it comes back when the server is ready, or has failed.
      return command("systemctl", [step.isNew ? "restart" : "start", SERVICE]);
  }
}

async function writeBeside(path: string, text: string): Promise<void> {
  const draft = `${path}.bootcast-new`;
  await writeFile(draft, text, { mode: 0o644 });
  await rename(draft, path);
}

/** Makes the data directory, and gives all of it to the user of the server. */
async function giveData(path: string): Promise<void> {
  const account = readAccounts().find(({ name }) => name === USER);
  if (account === undefined) throw commandFailed("useradd", `There is no user ${USER} now.`);
  await mkdir(path, { recursive: true });
  await chmod(path, 0o750);
  await lchown(path, account.uid, account.gid);
  await command("chown", ["--recursive", "--no-dereference", `${USER}:${USER}`, path]);
}

/** The boot image is made by a process of its own, whose words are for the person. */
async function build({ node, launcher }: { readonly node: string; readonly launcher: string }): Promise<void> {
  const child = spawn(node, [launcher, "boot-image", "build"], { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0)
    throw commandFailed("bootcast boot-image build", `It ended with ${code ?? "a signal"}; what it said stands above.`);
}

/** @throws {Fault} COMMAND_FAILED */
export async function command(program: string, words: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(program, [...words], { timeout: COMMAND_WITHIN_MS });
  } catch (error) {
    const { stderr = "", code, message } = error as { stderr?: string; code?: string | number; message: string };
    throw commandFailed(
      [program, ...words].join(" "),
      code === "ENOENT" ? "There is no such program." : stderr.trim() || message,
      error,
    );
  }
}

function commandFailed(line: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "COMMAND_FAILED",
    { what: `"${line}" failed.`, why, fix: "Mend that, and run setup again: it goes on where it stopped." },
    cause,
  );
}
