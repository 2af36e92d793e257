import { asFault } from "./run.ts";
import { startAgent } from "./start.ts";

/** The program of the boot image: /init runs it as one bundled file. */
export async function main(): Promise<void> {
  try {
    process.exitCode = await startAgent();
  } catch (error) {
    const { code, what, why, fix } = asFault(error);
    process.stderr.write(`error: ${what} [${code}]\n  why: ${why}\n  fix: ${fix}\n`);
    process.exitCode = 1;
  }
}

if (import.meta.main) void main();
