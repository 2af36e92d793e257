import { mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type DebianRelease, sourcesFor } from "./archive.ts";
import { run } from "./run.ts";

const basicOptions = ["-q", "-o", "APT::Sandbox::User=root"];
/** Lists of a release that is not this machine's own are fetched again when they are older. */
const FRESH_MS = 24 * 3600_000;

/**
 * Where apt looks for what there is.
 *
 * The machine's own lists are used as they are, so versions are what `apt-get update` last saw. Where it has none (a
 * fresh container) or they are too old to download from, lists are fetched into the cache. A release that is given is
 * always kept in the cache, with a configuration of its own; without a network its lists stay as they are.
 */
export class AptLists {
  readonly #cacheDir: string;
  readonly #say: (text: string) => void;
  readonly #release: DebianRelease | undefined;
  #options: readonly string[] | undefined;
  #isFresh = false;

  constructor(cacheDir: string, say: (text: string) => void, release: DebianRelease | undefined) {
    this.#cacheDir = cacheDir;
    this.#say = say;
    this.#release = release;
  }

  /** Arguments for apt-get and apt-cache. @throws {Fault} BOOT_IMAGE_NO_ARCHIVE, BOOT_IMAGE_TOOL_FAILED */
  async options(): Promise<readonly string[]> {
    if (this.#options !== undefined) return this.#options;
    if (this.#release === undefined) {
      this.#options = basicOptions;
      return this.#options;
    }
    const age = await stat(join(this.#folder(), "lists")).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => undefined,
    );
    if (age === undefined) await this.#fetch("this machine has none for it");
    else if (age > FRESH_MS) {
      await this.#fetch("a day has passed").catch(() => this.#say("they cannot be fetched; the old ones are used"));
    }
    this.#options = this.#private(this.#folder());
    return this.#options;
  }

  /** Fetches lists once; says whether it did, so that looking again may help. */
  async refresh(reason: string): Promise<boolean> {
    if (this.#isFresh) return false;
    await this.#fetch(reason);
    this.#options = this.#private(this.#folder());
    return true;
  }

  #folder(): string {
    const name = this.#release === undefined ? "own" : `${this.#release.suite}-${this.#release.architecture}`;
    return join(this.#cacheDir, "apt", name);
  }

  #private(folder: string): string[] {
    const places = {
      "Dir::State::lists": join(folder, "lists"),
      "Dir::Cache": join(folder, "cache"),
      // Containers are set up without these, and every question then costs a second.
      "Dir::Cache::pkgcache": "pkgcache.bin",
      "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
      ...(this.#release === undefined
        ? {}
        : {
            "Dir::Etc::sourcelist": join(folder, "sources.list"),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::status": "/dev/null",
            "APT::Architecture": this.#release.architecture,
            "APT::Architectures": this.#release.architecture,
          }),
    };
    return [...basicOptions, ...Object.entries(places).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
  }

  /** Into a folder of its own that then takes the old one's place: a build beside this one sees whole lists. */
  async #fetch(reason: string): Promise<void> {
    const what =
      this.#release === undefined ? "" : ` of Debian ${this.#release.suite} for ${this.#release.architecture}`;
    this.#say(`fetching package lists${what}: ${reason}`);
    await mkdir(join(this.#cacheDir, "apt"), { recursive: true });
    const draft = await mkdtemp(join(this.#cacheDir, "apt", "draft-"));
    try {
      await mkdir(join(draft, "lists", "partial"), { recursive: true });
      await mkdir(join(draft, "cache", "archives", "partial"), { recursive: true });
      if (this.#release !== undefined) await writeFile(join(draft, "sources.list"), await sourcesFor(this.#release));
      await run("apt-get", [...this.#private(draft), "-o", "Acquire::Languages=none", "update"]);
      await rm(this.#folder(), { recursive: true, force: true });
      await rename(draft, this.#folder());
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
    this.#isFresh = true;
  }
}
