import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import type { LabProcess } from "../../scripts/lab/namespace.ts";

export type Result = { readonly exitCode: number | null; readonly stdout: string; readonly stderr: string };

/** All that a process says until its end; nothing more is typed to it. */
export async function result(process: LabProcess): Promise<Result> {
  process.stdin.end();
  const [stdout, stderr, exit] = await Promise.all([text(process.stdout), text(process.stderr), process.exited]);
  return { exitCode: exit.exitCode, stdout, stderr };
}

/** All that a process has written on stdout until it wrote this; an error after a minute without it. */
export function until(process: LabProcess, words: string | RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = "";
    const timer = setTimeout(() => reject(new Error(`not said within 60 s: ${words}; only: ${heard}`)), 60_000);
    process.stdout.on("data", (bytes: Buffer) => {
      heard += bytes.toString();
      if (typeof words === "string" ? !heard.includes(words) : !words.test(heard)) return;
      clearTimeout(timer);
      resolve(heard);
    });
  });
}

/** SHA-256 of a file, hexadecimal. */
export async function digestOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
