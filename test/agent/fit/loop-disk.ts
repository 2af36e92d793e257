import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import { realClock } from "../../../agent/client/backoff.ts";
import type { FitMachine } from "../../../agent/fit/fit-machine.ts";
import { thisMachine } from "../../../agent/machine/machine-files.ts";
import { type Tools, tools } from "../../../agent/machine/tools.ts";

const MEBIBYTE = 1024 * 1024;

/** A disk behind a loop device that has partitions: what the kernel of a client sees. */
export class LoopDisk {
  readonly directory: string;
  readonly file: string;
  readonly sectorBytes: number;
  device = "";
  #mounts = 0;

  constructor(t: TestContext, sectorBytes = 512) {
    this.directory = mkdtempSync(join(tmpdir(), "bootcast-loop-"));
    this.file = join(this.directory, "disk");
    this.sectorBytes = sectorBytes;
    t.after(() => {
      this.loseMounts();
      this.detach();
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  /** Of this size from now on, and seen by the kernel. */
  attach(mebibytes: number): void {
    closeSync(openSync(this.file, "a"));
    truncateSync(this.file, mebibytes * MEBIBYTE);
    const options = ["--find", "--show", "--partscan", "--sector-size", String(this.sectorBytes), this.file];
    this.device = execFileSync("losetup", options, { encoding: "utf8" }).trim();
    this.#reread();
  }

  /** As the kernel does by itself where it was built to read partition tables; not every test machine's was. */
  #reread(): void {
    // It fails where there is no table; a partition that does not appear is missed by what comes next.
    spawnSync("partx", ["--delete", this.device]);
    spawnSync("partx", ["--add", this.device]);
  }

  detach(): void {
    const { device } = this;
    if (device === "") return;
    this.device = "";
    spawnSync("partx", ["--delete", device]);
    this.run("losetup", "--detach", device);
  }

  partition(number: number): string {
    return number === 0 ? this.device : `${this.device}p${number}`;
  }

  run(command: string, ...args: string[]): string {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  table(script: string): void {
    const options = ["--quiet", "--no-reread", "--no-tell-kernel", this.device];
    execFileSync("sfdisk", options, { input: script, stdio: ["pipe", "ignore", "pipe"] });
    this.#reread();
  }

  mounted<T>(number: number, fileSystem: string, use: (root: string) => T): T {
    this.#mounts += 1;
    const root = join(this.directory, `root${this.#mounts}`);
    mkdirSync(root);
    const device = this.partition(number);
    if (fileSystem === "ntfs") this.run("ntfs-3g", device, root);
    else this.run("mount", "-t", fileSystem, device, root);
    try {
      return use(root);
    } finally {
      this.run("umount", root);
    }
  }

  /** A machine without power has nothing mounted. */
  loseMounts(): void {
    const mounts = join(this.directory, "mounts");
    for (const name of readdirSync(this.directory).includes("mounts") ? readdirSync(mounts) : []) {
      spawnSync("umount", [join(mounts, name)]);
    }
  }

  get disk() {
    const sizeBytes = Number(this.run("blockdev", "--getsize64", this.device));
    return { path: this.device, sizeBytes, sectorBytes: this.sectorBytes };
  }

  /** @param by other tools than the real ones */
  machine(by: Tools = tools): FitMachine {
    const rereading: Tools = {
      async run(command, args, options) {
        if (command !== "blockdev" || args[0] !== "--rereadpt") return by.run(command, args, options);
        const [device = ""] = args.slice(1);
        await by.run("partx", ["--delete", device], options).catch(() => undefined);
        return by.run("partx", ["--add", device], options);
      },
    };
    const mountDirectory = join(this.directory, "mounts");
    return { tools: rereading, files: thisMachine, clock: realClock, log: pino({ level: "silent" }), mountDirectory };
  }
}
