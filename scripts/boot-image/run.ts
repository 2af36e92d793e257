import { type ExecFileException, execFile } from "node:child_process";
import { Fault } from "../../fault.ts";

/** Debian package of each program that the build starts. */
const packageOf: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  "apt-cache": "apt",
  "aarch64-linux-gnu-strip": "binutils-aarch64-linux-gnu",
  "dpkg-deb": "dpkg",
  npm: "npm",
  strip: "binutils",
  "x86_64-linux-gnu-strip": "binutils-x86-64-linux-gnu",
  xz: "xz-utils",
};

/** Long enough for a kernel package over a slow line; a build never hangs. */
const TIME_LIMIT_MS = 30 * 60_000;

/**
 * Runs a program without a shell and returns what it wrote to stdout.
 *
 * @throws {Fault} BOOT_IMAGE_TOOL_MISSING, BOOT_IMAGE_TOOL_FAILED with the end of its stderr
 */
export function run(program: string, args: readonly string[], cwd?: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const options = {
    cwd,
    encoding: "buffer",
    maxBuffer: 1 << 30,
    timeout: TIME_LIMIT_MS,
    // English messages and numbers, whatever the person's language is.
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
  } as const;
  execFile(program, [...args], options, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else reject(explain(program, args, error, stderr.toString("utf8")));
  });
  return promise;
}

function explain(program: string, args: readonly string[], error: ExecFileException, stderr: string): Fault {
  if (error.code === "ENOENT") {
    return new Fault(
      "BOOT_IMAGE_TOOL_MISSING",
      {
        what: `The boot image needs the program ${program}, which is not installed here.`,
        why: "The boot image is put together from Debian's packages with Debian's tools.",
        fix: `On Debian or Ubuntu: sudo apt-get install ${packageOf[program] ?? program}`,
      },
      error,
    );
  }
  const lines = stderr.trim().split("\n").slice(-3).join(" ");
  return new Fault(
    "BOOT_IMAGE_TOOL_FAILED",
    {
      what: `${program} ${args.find((arg) => !arg.startsWith("-")) ?? ""} failed while the boot image was built.`,
      why: lines === "" ? error.message : lines,
      fix: "Solve what it says (network, disk space, apt sources) and build again; what is done stays in the cache.",
    },
    error,
  );
}
