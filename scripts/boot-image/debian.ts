import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { AptLists } from "./apt-lists.ts";
import type { DebianRelease } from "./archive.ts";
import { run } from "./run.ts";

/** One package as the machine's apt lists describe it. */
export type DebianPackage = {
  readonly name: string;
  readonly version: string;
  /** Hexadecimal SHA-256 of the .deb file. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** The first choice of each dependency. */
  readonly depends: readonly string[];
};

/**
 * Debian packages without root and without installing: from the sources that this machine is set up for, or those of a
 * given release from the same archive, their signatures checked by apt.
 */
export class Debian {
  readonly #cacheDir: string;
  readonly #say: (text: string) => void;
  readonly #lists: AptLists;

  constructor(cacheDir: string, say: (text: string) => void, release?: DebianRelease) {
    this.#cacheDir = cacheDir;
    this.#say = say;
    this.#lists = new AptLists(cacheDir, say, release);
  }

  /**
   * The packages with everything they depend on whose name matches `followed`, sorted by name.
   *
   * @param wishes names that may be absent
   * @throws {Fault} BOOT_IMAGE_PACKAGE_MISSING
   */
  async resolve(names: readonly string[], wishes: readonly string[], followed: RegExp): Promise<DebianPackage[]> {
    const found = new Map<string, DebianPackage>();
    const asked = new Set<string>();
    for (let next = [...names, ...wishes]; next.length > 0; ) {
      for (const name of next) asked.add(name);
      const shown = await this.#show(next);
      for (const one of shown) found.set(one.name, one);
      next = [...new Set(shown.flatMap(({ depends }) => depends))].filter(
        (name) => followed.test(name) && !asked.has(name),
      );
    }
    const missing = names.filter((name) => !found.has(name));
    if (missing.length === 0) return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (!(await this.#lists.refresh(`apt's lists do not have ${missing.join(", ")}`))) throw packageMissing(missing);
    return this.resolve(names, wishes, followed);
  }

  /** Those of the packages that apt knows; nothing is fetched for it. */
  look(names: readonly string[]): Promise<DebianPackage[]> {
    return this.#show(names);
  }

  /**
   * Paths of the .deb files, each checked against its SHA-256; downloads those that the cache lacks.
   *
   * @throws {Fault} BOOT_IMAGE_DOWNLOAD_FAILED
   */
  async download(packages: readonly DebianPackage[]): Promise<Map<string, string>> {
    const directory = join(this.#cacheDir, "packages");
    await mkdir(directory, { recursive: true });
    const pathOf = (one: DebianPackage): string => join(directory, `${one.name}_${one.sha256.slice(0, 16)}.deb`);
    const wanted: DebianPackage[] = [];
    for (const one of packages) {
      if ((await digestOf(pathOf(one))) !== one.sha256) wanted.push(one);
      else await utimes(pathOf(one), new Date(), new Date());
    }
    if (wanted.length > 0) {
      const megabytes = wanted.reduce((sum, one) => sum + one.sizeBytes, 0) / 1e6;
      this.#say(`downloading ${wanted.length} Debian packages, ${megabytes.toFixed(1)} MB`);
      // Each build has a folder of its own, so that two at a time do not mix.
      const inbox = await mkdtemp(join(directory, "inbox-"));
      try {
        const words = wanted.map(({ name, version }) => `${name}=${version}`);
        const fetch = async () => run("apt-get", [...(await this.#lists.options()), "download", ...words], inbox);
        await fetch().catch(async (error: unknown) => {
          if (!(await this.#lists.refresh("a package of apt's lists cannot be downloaded any more"))) throw error;
          await fetch();
        });
        const byDigest = new Map(wanted.map((one) => [one.sha256, one]));
        for (const file of await readdir(inbox)) {
          const one = byDigest.get((await digestOf(join(inbox, file))) ?? "");
          if (one !== undefined) await rename(join(inbox, file), pathOf(one));
          if (one !== undefined) byDigest.delete(one.sha256);
        }
        if (byDigest.size > 0) throw notDownloaded([...byDigest.values()].map(({ name }) => name));
      } finally {
        await rm(inbox, { recursive: true, force: true });
      }
    }
    return new Map(packages.map((one) => [one.name, pathOf(one)]));
  }

  async #show(names: readonly string[]): Promise<DebianPackage[]> {
    const args = [...(await this.#lists.options()), "show", "--no-all-versions", ...names];
    // apt-cache fails when it knows none of the names; that is an answer, not an accident.
    const text = await run("apt-cache", args).catch((error: unknown) => {
      if (error instanceof Fault && error.why.includes("No packages found")) return Buffer.alloc(0);
      throw error;
    });
    return parsePackages(text.toString("utf8"));
  }
}

/** Reads the stanzas that `apt-cache show` prints. Stanzas without a file (not downloadable) are left out. */
export function parsePackages(text: string): DebianPackage[] {
  return text
    .split(/\n{2,}/)
    .map((stanza) => {
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1] ?? "";
      return {
        name: field("Package"),
        version: field("Version"),
        sha256: field("SHA256"),
        sizeBytes: Number(field("Size")),
        // "libc6 (>= 2.34), libudev1 | libelogind0": names only, and the first of each choice.
        depends: [field("Pre-Depends"), field("Depends")]
          .flatMap((list) => list.split(","))
          .map((choice) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(choice)?.[1] ?? "")
          .filter((name) => name !== ""),
      };
    })
    .filter(({ name, version, sha256 }) => name !== "" && version !== "" && sha256 !== "");
}

async function digestOf(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return bytes === undefined ? undefined : createHash("sha256").update(bytes).digest("hex");
}

function packageMissing(names: readonly string[]): Fault {
  const firmware = names.filter((name) => name.startsWith("firmware-"));
  if (firmware.length === names.length) {
    return new Fault("BOOT_IMAGE_PACKAGE_MISSING", {
      what: `Firmware was asked for, and apt here does not know ${names.join(", ")}.`,
      why: "Debian keeps it in the section non-free-firmware, which the apt sources of this machine do not name.",
      fix: "Add non-free-firmware to them and run sudo apt-get update, or build with --firmware none.",
    });
  }
  return new Fault("BOOT_IMAGE_PACKAGE_MISSING", {
    what: `The boot image needs the Debian packages ${names.join(", ")}, and apt here does not know them.`,
    why: "They are in the section main of Debian 12 and later.",
    fix: 'Add Debian\'s "main" to the apt sources of this machine, or build on a Debian machine and copy the folder.',
  });
}

function notDownloaded(names: readonly string[]): Fault {
  return new Fault("BOOT_IMAGE_DOWNLOAD_FAILED", {
    what: `apt-get did not bring the packages ${names.join(", ")} as its lists describe them.`,
    why: "The files have other SHA-256 sums than the lists say: the mirror is just being changed, or something alters downloads.",
    fix: "Run sudo apt-get update and build again.",
  });
}
