import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { type Architecture, stripperFor } from "./architecture.ts";
import type { Runtime } from "./bundle.ts";
import type { ArchiveEntry } from "./cpio.ts";
import { diskLoaderName, makeDiskLoader } from "./disk-loader.ts";
import { modulesFor } from "./drivers.ts";
import { FileTree } from "./file-tree.ts";
import { clearForeignLocales } from "./icu-data.ts";
import { addKernel } from "./kernel.ts";
import { ipxeLoaders, programs } from "./recipe.ts";
import { run } from "./run.ts";
import { clearTypeStripper } from "./type-stripper.ts";
import { addLibraries, addProgram, Unpacked } from "./unpacked.ts";

/** What is known about a system layer besides its content. */
export type SystemNotes = {
  readonly kernel: string;
  readonly absentModules: readonly string[];
  /** Paths of the libraries in it. */
  readonly libraries: readonly string[];
  /** Loader name ► the file that is kept with the layer. */
  readonly loaders: Readonly<Record<string, string>>;
  /** Names of the Raspberry Pi board descriptions that are kept with the layer. */
  readonly boards: readonly string[];
};

/** Kernel modules, programs and libraries from Debian, and beside them the kernel and the loaders. */
export async function makeSystem(options: {
  readonly architecture: Architecture;
  readonly debs: readonly string[];
  readonly runtime: Runtime;
  readonly cacheDir: string;
  readonly say: (text: string) => void;
}): Promise<{ entries: ArchiveEntry[]; notes: SystemNotes; files: Map<string, Uint8Array> }> {
  await mkdir(options.cacheDir, { recursive: true });
  const root = await mkdtemp(join(options.cacheDir, "unpacked-"));
  try {
    options.say(`unpacking ${options.debs.length} Debian packages`);
    for (const deb of options.debs) await run("dpkg-deb", ["--extract", deb, root]);
    const unpacked = new Unpacked(root);
    const tree = new FileTree();
    addFolders(tree);
    const kernel = await addKernel(tree, unpacked, root, modulesFor(options.architecture));
    for (const name of programs) await addProgram(tree, unpacked, name);
    const started = tree.entries().flatMap((entry) => {
      return entry.type === "file" && entry.path.startsWith("usr/bin/") ? [entry.content] : [];
    });
    await addLibraries(tree, unpacked, [...started, await readFile(options.runtime.path)]);

    const files = new Map<string, Uint8Array>([["vmlinuz", kernel.image]]);
    const loaderFiles: Record<string, string> = {};
    const addLoader = (name: string, content: Uint8Array) => {
      loaderFiles[name] = name.replaceAll("/", "_");
      files.set(loaderFiles[name], content);
    };
    for (const { name, from } of ipxeLoaders[options.architecture]) {
      const content = await unpacked.read(from);
      if (content === undefined) throw loaderMissing(name);
      addLoader(name, content);
    }
    if (options.architecture === "amd64") addLoader(diskLoaderName, await makeDiskLoader(root));
    for (const [name, content] of kernel.boards) files.set(name, content);
    const notes = {
      kernel: kernel.version,
      absentModules: kernel.absentModules,
      libraries: tree
        .entries()
        .flatMap(({ path, type }) => (type === "file" && /^usr\/lib\/[^/]+$/.test(path) ? [path] : [])),
      loaders: loaderFiles,
      boards: [...kernel.boards.keys()],
    };
    return { entries: tree.entries(), notes, files };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Node alone: the largest part, and the one that changes least. */
export async function makeRuntime(
  runtime: Runtime,
  architecture: Architecture,
  cacheDir: string,
): Promise<{ entries: ArchiveEntry[] }> {
  await mkdir(cacheDir, { recursive: true });
  const folder = await mkdtemp(join(cacheDir, "stripped-"));
  try {
    const stripped = join(folder, "node");
    await run(stripperFor(architecture), ["--output-file", stripped, runtime.path]);
    const tree = new FileTree();
    const program = await readFile(stripped);
    clearForeignLocales(program);
    clearTypeStripper(program);
    tree.addFile("usr/bin/node", program, 0o755);
    return { entries: tree.entries() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every program lies in usr/bin and every library in usr/lib, under all the names they are looked for. */
function addFolders(tree: FileTree): void {
  for (const name of ["bin", "sbin"]) tree.addSymlink(name, "usr/bin");
  for (const name of ["lib", "lib64"]) tree.addSymlink(name, "usr/lib");
  tree.addSymlink("usr/sbin", "bin");
  for (const name of ["dev", "proc", "sys", "run", "mnt", "root", "var", "etc"]) tree.addDirectory(name);
  tree.addDirectory("tmp", 0o1777);
  tree.addFile("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  tree.addFile("etc/group", "root:x:0:\ndisk:x:6:\n");
  tree.addFile("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
  tree.addFile("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  tree.addSymlink("etc/mtab", "/proc/self/mounts");
}

function loaderMissing(name: string): Fault {
  return new Fault("BOOT_IMAGE_FILE_MISSING", {
    what: `The boot loader ${name} is not in Debian's package ipxe.`,
    why: "This release of Debian keeps it elsewhere.",
    fix: "Build on Debian 12 or 13, or add its place to scripts/boot-image/recipe.ts.",
  });
}
