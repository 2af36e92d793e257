import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { essentialModules } from "./drivers.ts";
import type { FileTree } from "./file-tree.ts";
import { type KernelModule, moduleName, modulesAlias, modulesDep, readModule, selectModules } from "./modules.ts";
import { run } from "./run.ts";
import type { Unpacked } from "./unpacked.ts";

/** The kernel that was put into the boot image. */
export type Kernel = {
  /** "6.1.0-56-amd64" */
  readonly version: string;
  /** The bootable file. */
  readonly image: Buffer;
  /** Wanted modules that this kernel version does not have. */
  readonly absentModules: readonly string[];
  /** Descriptions of Raspberry Pi boards: file name ► content. Only arm64 kernels have them. */
  readonly boards: ReadonlyMap<string, Uint8Array>;
};

/** So many names go to one `xz`; all at once would be longer than a command line may be. */
const FILES_PER_XZ = 500;

/**
 * Adds the selected modules, their index files for modprobe, and the firmware they name to the tree.
 *
 * @param modules what is wanted, see drivers.ts
 * @param root the folder that `unpacked` reads; newer kernels' modules are unpacked there in place
 * @throws {Fault} BOOT_IMAGE_KERNEL_UNFIT when there is not exactly one kernel or it lacks an essential module
 */
export async function addKernel(
  tree: FileTree,
  unpacked: Unpacked,
  root: string,
  modules: readonly string[],
): Promise<Kernel> {
  const versions = (await unpacked.list("boot")).flatMap((name) => /^vmlinuz-(.+)$/.exec(name)?.[1] ?? []);
  const [version] = versions;
  if (version === undefined || versions.length > 1) {
    throw unfit(`The kernel package holds ${versions.length} kernels (${versions.join(", ")}), and one is expected.`);
  }
  const image = await unpacked.read(`boot/vmlinuz-${version}`);
  if (image === undefined) throw unfit(`vmlinuz-${version} cannot be read.`);

  const folder = `usr/lib/modules/${version}`;
  await unpackModules(root, folder, await unpacked.list(folder));
  const all: KernelModule[] = [];
  const contents = new Map<string, Buffer>();
  for (const path of (await unpacked.list(folder)).filter((path) => path.endsWith(".ko"))) {
    const content = await unpacked.read(`${folder}/${path}`);
    if (content === undefined) continue;
    contents.set(path, content);
    all.push(readModule(path, content));
  }
  const builtInList = (await unpacked.read(`${folder}/modules.builtin`))?.toString("utf8") ?? "";
  const builtIn = new Set(builtInList.split("\n").filter(Boolean).map(moduleName));
  const { selected, absent } = selectModules(all, modules, builtIn);
  const lost = essentialModules.filter((name) => absent.includes(name));
  if (lost.length > 0) throw unfit(`Kernel ${version} has no ${lost.join(", ")}: it may be a "cloud" kernel.`);

  for (const { path, firmware } of selected) {
    tree.addFile(`${folder}/${path}`, contents.get(path)!);
    for (const file of firmware) {
      const content = await unpacked.read(`usr/lib/firmware/${file}`);
      if (content !== undefined) tree.addFile(`usr/lib/firmware/${file}`, content);
    }
  }
  tree.addFile(`${folder}/modules.dep`, modulesDep(selected));
  tree.addFile(`${folder}/modules.alias`, modulesAlias(selected));
  tree.addFile(`${folder}/modules.builtin`, builtInList);
  return { version, image, absentModules: absent, boards: await raspberryBoards(unpacked, version) };
}

async function raspberryBoards(unpacked: Unpacked, version: string): Promise<Map<string, Uint8Array>> {
  const folder = `usr/lib/linux-image-${version}/broadcom`;
  const boards = new Map<string, Uint8Array>();
  for (const name of await unpacked.list(folder)) {
    const content = /^bcm\d+-rpi-[\w-]+\.dtb$/.test(name) ? await unpacked.read(`${folder}/${name}`) : undefined;
    if (content !== undefined) boards.set(name, content);
  }
  return boards;
}

// Debian 13 compresses each module. The whole boot image is compressed better than that in one piece.
async function unpackModules(root: string, folder: string, paths: readonly string[]): Promise<void> {
  const compressed = paths.filter((path) => path.endsWith(".ko.xz"));
  const isMerged = await readFile(join(root, folder, "modules.builtin")).then(
    () => true,
    () => false,
  );
  const base = join(root, isMerged ? folder : folder.slice(4));
  for (let at = 0; at < compressed.length; at += FILES_PER_XZ) {
    await run("xz", ["--decompress", ...compressed.slice(at, at + FILES_PER_XZ)], base);
  }
}

function unfit(why: string): Fault {
  return new Fault("BOOT_IMAGE_KERNEL_UNFIT", {
    what: "Debian's kernel package does not have what the boot image needs.",
    why,
    fix: "Build on Debian 12 or 13 with the package linux-image-amd64 in its apt sources.",
  });
}
