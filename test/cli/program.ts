import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs `bootcast WORDS` as a process of its own, without a terminal, to its end. */
export function bootcast(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return ended(spawn(process.execPath, [join(root, "cli/main.ts"), ...words], { env: clean(env), timeout: 60_000 }));
}

/** Collects what a process prints until it ends. */
export function ended(child: ChildProcess): Promise<Ended> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  child.stdin?.end();
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
}

/** Loading takes most of a short command's time, and half of that is what Node keeps here for the next process. */
const compiled = join(root, "node_modules/.cache/bootcast-tests");

/** The environment without what the person who runs the tests may have set for bootcast. */
export function clean(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(BOOTCAST_|NODE_|FORCE_COLOR)/.test(name));
  return { ...Object.fromEntries(own), NO_COLOR: "1", NODE_COMPILE_CACHE: compiled, ...more };
}

/** A server on loopback with free ports and a data directory of its own. */
export class ServerProcess {
  readonly dataDir: string;
  /** "http://127.0.0.1:PORT" */
  readonly address: string;
  readonly #child: ChildProcess;
  readonly #end: Promise<Ended>;

  private constructor(child: ChildProcess, end: Promise<Ended>, dataDir: string, address: string) {
    this.#child = child;
    this.#end = end;
    this.dataDir = dataDir;
    this.address = address;
  }

  /**
   * @param more settings, "database.url=…"
   * @param process how much it says, and its environment
   */
  static async start(
    dataDir: string = mkdtempSync(join(tmpdir(), "bootcast-cli-")),
    more: readonly string[] = [],
    { logLevel = "debug", env = {} }: { readonly logLevel?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<ServerProcess> {
    const words = ["serve", "--json", "--log-level", logLevel, "--data-dir", dataDir];
    const off = [
      "network.dhcp=off",
      "network.interfaces=lo",
      "http.port=0",
      "https.port=0",
      "tftp.port=0",
      "dnssd.enabled=false",
    ];
    const set = [...off, ...more].flatMap((pair) => ["--set", pair]);
    const child = spawn(process.execPath, [join(root, "cli/main.ts"), ...words, ...set], { env: clean(env) });
    const end = ended(child);
    const line = await new Promise<string>((resolve, reject) => {
      let printed = "";
      child.stdout.on("data", (chunk: Buffer) => {
        printed += String(chunk);
        if (printed.includes("\n")) resolve(printed);
      });
      void end.then(({ stderr }) => reject(new Error(`the server ended before it was ready: ${stderr}`)));
    });
    return new ServerProcess(child, end, dataDir, (JSON.parse(line) as { addresses: string[] }).addresses[0]!);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  run(...words: string[]): Promise<Ended> {
    return bootcast([...words, "--data-dir", this.dataDir]);
  }

  /** Ends it with a signal. The data directory stays. */
  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.#child.kill(signal);
    return this.#end;
  }

  remove(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
