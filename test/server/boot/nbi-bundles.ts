import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build, type PlistValue } from "plist";

/** The smallest plist of a bundle that starts Linux. */
export const linuxKeys = {
  Architectures: ["i386"],
  BootFile: "booter",
  Index: 4096,
  IsEnabled: true,
  IsInstall: true,
  Kind: 1,
  Name: "Linux",
  Type: "BootFileOnly",
} satisfies Record<string, PlistValue>;

/** The keys that System Image Utility writes for an installer, without those that nobody reads. */
export const installerKeys = {
  Architectures: ["i386"],
  BootFile: "booter",
  Description: "macOS 10.13",
  DisabledSystemIdentifiers: [],
  EnabledSystemIdentifiers: [],
  Index: 137,
  IsDefault: false,
  IsEnabled: true,
  IsInstall: true,
  Kind: 1,
  Language: "Default",
  Name: "DOE-Image",
  RootPath: "NetInstall.dmg",
  SupportsDiskless: false,
  Type: "HTTP",
  osVersion: "10.13.6",
} satisfies Record<string, PlistValue>;

/** Folders of bundles below the system's temporary one; `remove` when done. */
export class Bundles {
  readonly home: string;

  private constructor(home: string) {
    this.home = home;
  }

  static async make(): Promise<Bundles> {
    return new Bundles(await mkdtemp(join(tmpdir(), "bootcast-nbi-")));
  }

  /**
   * Writes a bundle and gives its path.
   *
   * @param keys the plist; as text: that instead of a plist; undefined: none
   * @param files path in the bundle to content
   */
  async add(
    folder: string,
    keys: Record<string, PlistValue> | string | Uint8Array | undefined,
    files: Record<string, string> = { "i386/booter": "the booter", "NetInstall.dmg": "the disk image" },
  ): Promise<string> {
    const path = join(this.home, folder);
    await mkdir(path, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), content);
    }
    if (keys !== undefined) {
      const plist = typeof keys === "string" || keys instanceof Uint8Array ? keys : build(keys);
      await writeFile(join(path, "NBImageInfo.plist"), plist);
    }
    return path;
  }

  async remove(): Promise<void> {
    await rm(this.home, { recursive: true, force: true });
  }
}
