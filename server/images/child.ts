import { spawn } from "node:child_process";
import { Fault } from "../../fault.ts";

export type ChildResult = { readonly exitCode: number | null; readonly stdout: string; readonly stderr: string };

/** More than any of the programs that are called here says. */
const MOST_OUTPUT_BYTES = 1 << 20;

export type ChildOptions = {
  readonly deadlineMs: number;
  /** A file that the child has as descriptor 3, and can open as /dev/fd/3. */
  readonly inherit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Takes what it writes on stdout instead of keeping it. */
  readonly onOutput?: (chunk: Uint8Array) => Promise<void>;
};

/**
 * Runs a program without a shell and waits for its end.
 *
 * @throws {Fault} PROGRAM_MISSING, PROGRAM_HANGS
 */
export async function runChild(name: string, args: readonly string[], options: ChildOptions): Promise<ChildResult> {
  const child = spawn(name, args, {
    stdio: options.inherit === undefined ? ["ignore", "pipe", "pipe"] : ["ignore", "pipe", "pipe", options.inherit],
    // Their words are read: they must be the same everywhere.
    // Those of administrators (mke2fs) are found without being one.
    env: { ...process.env, LC_ALL: "C.UTF-8", PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` },
    ...(options.signal && { signal: options.signal }),
  });
  const isOver = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  let isLate = false;
  const deadline = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, options.deadlineMs);
  try {
    const [exitCode, stdout, stderr] = await Promise.all([
      isOver,
      collect(child.stdout!, options.onOutput),
      collect(child.stderr!),
    ]);
    if (isLate) throw hangs(name, options.deadlineMs);
    return { exitCode, stdout, stderr };
  } catch (error) {
    child.kill("SIGKILL");
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw missing(name, error);
    throw error;
  } finally {
    clearTimeout(deadline);
  }
}

async function collect(stream: AsyncIterable<Buffer>, take?: (chunk: Uint8Array) => Promise<void>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    if (take !== undefined) {
      await take(chunk);
      continue;
    }
    bytes += chunk.length;
    // The rest is read, so that the child does not wait for a reader, and forgotten.
    if (bytes <= MOST_OUTPUT_BYTES) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Debian's package that has the program. */
const packages: Readonly<Record<string, string>> = {
  "qemu-img": "qemu-utils",
  "qemu-nbd": "qemu-utils",
  "7zz": "7zip",
  mke2fs: "e2fsprogs",
  resize2fs: "e2fsprogs",
  e2fsck: "e2fsprogs",
  debugfs: "e2fsprogs",
  e2image: "e2fsprogs",
};

function missing(name: string, cause: unknown): Fault {
  return new Fault(
    "PROGRAM_MISSING",
    {
      what: `The program ${name} is not installed.`,
      why: "bootcast needs it for this.",
      fix: `Install it: "sudo apt-get install ${packages[name] ?? name}".`,
    },
    cause,
  );
}

function hangs(name: string, deadlineMs: number): Fault {
  return new Fault("PROGRAM_HANGS", {
    what: `The program ${name} did not end.`,
    why: `It was given ${Math.round(deadlineMs / 1000)} s, and was then stopped.`,
    fix: "Try again when the machine has less to do; the disk image may also be damaged.",
  });
}
