/** What a boot image is made for, in Debian's words. */
export type Architecture = "amd64" | "arm64";

export const architectures: readonly Architecture[] = ["amd64", "arm64"];

/** What this machine is. */
export const hostArchitecture: Architecture = process.arch === "arm64" ? "arm64" : "amd64";

type Names = {
  /** Its folder below the boot directory; empty is the directory itself. */
  readonly folder: string;
  /** GNU's name for it, as in library folders and tool names. */
  readonly triplet: string;
  /** npm's name for it. */
  readonly npm: string;
};

export const namesOf: Readonly<Record<Architecture, Names>> = {
  amd64: { folder: "", triplet: "x86_64-linux-gnu", npm: "x64" },
  arm64: { folder: "arm64", triplet: "aarch64-linux-gnu", npm: "arm64" },
};

/** The program that takes debugging symbols out of an ELF file. */
export function stripperFor(architecture: Architecture): string {
  return architecture === hostArchitecture ? "strip" : `${namesOf[architecture].triplet}-strip`;
}
