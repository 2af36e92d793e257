import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Architecture, namesOf } from "./architecture.ts";
import type { ArchiveEntry } from "./cpio.ts";
import { FileTree } from "./file-tree.ts";
import { run } from "./run.ts";
import { addLibraries, addProgram, Unpacked } from "./unpacked.ts";
import type { Credentials } from "./wired-8021x.ts";

/** What is in the boot image only where it was asked for. */
export type Extras = {
  /** authorized_keys: who may log in to a client by SSH. */
  readonly remoteShell?: string | undefined;
  readonly wired8021x?: Credentials | undefined;
};

type Extra = { readonly package: string; readonly programs: readonly string[]; readonly files: readonly string[] };

const remoteShell: Extra = { package: "dropbear-bin", programs: ["dropbear", "dropbearkey"], files: [] };

/** PEAP with MS-CHAPv2 needs MD4, which OpenSSL keeps in a file of its own. */
function wired8021x(architecture: Architecture): Extra {
  const legacy = `usr/lib/${namesOf[architecture].triplet}/ossl-modules/legacy.so`;
  return { package: "wpasupplicant", programs: ["wpa_supplicant"], files: [legacy] };
}

function chosen(extras: Extras, architecture: Architecture): Extra[] {
  return [
    ...(extras.remoteShell === undefined ? [] : [remoteShell]),
    ...(extras.wired8021x === undefined ? [] : [wired8021x(architecture)]),
  ];
}

/** Debian packages that these need. */
export function extraPackages(extras: Extras, architecture: Architecture): string[] {
  return chosen(extras, architecture).map((extra) => extra.package);
}

/** Programs and libraries; `debs` are the files of the packages with all that they depend on. */
export async function makeExtras(options: {
  readonly extras: Extras;
  readonly architecture: Architecture;
  readonly debs: readonly string[];
  readonly cacheDir: string;
  /** Libraries that are in the image already, "usr/lib/libc.so.6". */
  readonly there: ReadonlySet<string>;
}): Promise<ArchiveEntry[]> {
  const { extras, architecture, there } = options;
  const root = await mkdtemp(join(options.cacheDir, "unpacked-"));
  try {
    for (const deb of options.debs) await run("dpkg-deb", ["--extract", deb, root]);
    const unpacked = new Unpacked(root);
    const tree = new FileTree();
    for (const { programs, files } of chosen(extras, architecture)) {
      for (const name of programs) await addProgram(tree, unpacked, name);
      for (const path of files) {
        const content = await unpacked.read(path);
        // OpenSSL 1 has it inside.
        if (content !== undefined) tree.addFile(path, content);
      }
    }
    const started = tree.entries().flatMap((entry) => (entry.type === "file" ? [entry.content] : []));
    await addLibraries(tree, unpacked, started);
    return tree.entries().filter(({ path, type }) => type !== "file" || !there.has(path));
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** The site's own part: keys and credentials, readable by root alone. */
export function addExtraFiles(tree: FileTree, { remoteShell: keys, wired8021x: credentials }: Extras): void {
  if (keys !== undefined) {
    tree.addDirectory("root/.ssh", 0o700);
    tree.addFile("root/.ssh/authorized_keys", keys, 0o600);
  }
  if (credentials === undefined) return;
  tree.addFile("etc/bootcast/802.1x.conf", credentials.configuration, 0o600);
  for (const [path, content] of credentials.files) tree.addFile(path, content, 0o600);
}
