import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { exportImage } from "../../../server/store/image-export.ts";
import { readSitePublicKey } from "../../../server/store/keys.ts";
import { readStore } from "../../../server/store/store.ts";
import { env, hasProgram } from "../../images/free-space/made-volumes.ts";
import { bootcast, type Ended } from "../program.ts";

export const needsExt4: string | false = ["mke2fs", "resize2fs", "e2fsck", "debugfs"].every(hasProgram)
  ? false
  : "e2fsprogs is not installed";

/** What no image may hold. */
export const SECRET = "secret-of-this-machine";

/** A folder for the sources and the store of a file's tests. Gone after them. */
export class CreateRoom {
  readonly directory: string;
  /** TMPDIR of the commands: nothing may stay in it. */
  readonly work: string;

  constructor() {
    this.directory = fs.mkdtempSync(join(tmpdir(), "bootcast-create-test-"));
    this.work = this.path("work");
    fs.mkdirSync(this.work);
    after(() => fs.rmSync(this.directory, { recursive: true }));
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Runs `bootcast image create`. */
  create(...words: string[]): Promise<Ended> {
    const all = ["image", "create", ...words, "--data-dir", this.path("data")];
    return bootcast(all, { TMPDIR: this.work, PATH: env.PATH });
  }

  /** A version of an image as a raw file, without a process of its own. */
  async exported(name: string, version: number): Promise<string> {
    const { trusted } = await readSitePublicKey(this.path("data"));
    const store = readStore(this.path("data/store"), trusted);
    const to = this.path(`${name}-${version}.raw`);
    const { manifest } = await store.readManifest(name, version);
    await exportImage(store, manifest, to, { format: "raw" });
    return to;
  }
}

export function write(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    fs.mkdirSync(dirname(join(root, path)), { recursive: true });
    fs.writeFileSync(join(root, path), content);
  }
}

/** A file in an ext4 volume that nobody mounts. */
export function inVolume(volume: string, path: string): string {
  const options = { env, encoding: "utf8", stdio: "pipe", maxBuffer: 64 << 20 } as const;
  return execFileSync("debugfs", ["-R", `cat /${path}`, volume], options);
}
