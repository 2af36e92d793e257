import { Fault } from "../../fault.ts";

/** One thing in the archive. `path` is relative, with "/" between names and none at its ends. */
export type ArchiveEntry = { readonly path: string } & (
  | { readonly type: "directory"; readonly permissions: number }
  | { readonly type: "file"; readonly permissions: number; readonly content: Uint8Array }
  | { readonly type: "symlink"; readonly target: string }
);

const MAGIC = "070701";
const HEADER_BYTES = 110;
const TRAILER = "TRAILER!!!";
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/**
 * Writes a "newc" cpio archive, the form that the Linux kernel unpacks as its initramfs.
 *
 * The same entries always give the same bytes: sorted by path, owned by root, dated 1970, inodes
 * numbered from 0. Each entry is a header of 13 fields of 8 hexadecimal digits, the name with its NUL
 * padded to 4 bytes, and the content padded to 4 bytes.
 * Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
 *
 * @throws {Fault} ARCHIVE_INVALID for a path that is not relative, is given twice or lacks its directory
 */
export function encodeCpio(entries: readonly ArchiveEntry[]): Uint8Array {
  const sorted = entries
    .map((entry) => ({ entry, name: Buffer.from(`${entry.path}\0`), content: contentOf(entry) }))
    .sort((a, b) => Buffer.compare(a.name, b.name));
  check(sorted.map(({ entry }) => entry));
  const trailer = Buffer.from(`${TRAILER}\0`);
  let total = padded(HEADER_BYTES + trailer.length);
  for (const { name, content } of sorted) total += padded(HEADER_BYTES + name.length) + padded(content.length);

  const archive = Buffer.alloc(total);
  let at = 0;
  const append = (name: Uint8Array, mode: number, links: number, inode: number, content: Uint8Array): void => {
    const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0];
    archive.write(MAGIC + fields.map((field) => field.toString(16).toUpperCase().padStart(8, "0")).join(""), at);
    archive.set(name, at + HEADER_BYTES);
    at += padded(HEADER_BYTES + name.length);
    archive.set(content, at);
    at += padded(content.length);
  };
  sorted.forEach(({ entry, name, content }, index) => {
    append(name, modeOf(entry), entry.type === "directory" ? 2 : 1, index, content);
  });
  append(trailer, 0, 1, 0, new Uint8Array(0));
  return archive;
}

function contentOf(entry: ArchiveEntry): Uint8Array {
  if (entry.type === "file") return entry.content;
  return entry.type === "symlink" ? Buffer.from(entry.target) : new Uint8Array(0);
}

function modeOf(entry: ArchiveEntry): number {
  if (entry.type === "symlink") return S_IFLNK | 0o777;
  return (entry.type === "directory" ? S_IFDIR : S_IFREG) | entry.permissions;
}

// The kernel does not make missing directories: it silently leaves the file out.
function check(sorted: readonly ArchiveEntry[]): void {
  const directories = new Set([""]);
  let before = "";
  for (const entry of sorted) {
    const { path } = entry;
    const names = path.split("/");
    if (names.some((name) => name === "" || name === "." || name === ".." || name.includes("\0")) || path === TRAILER) {
      throw invalid(path, "It is not a plain relative path.");
    }
    if (path === before) throw invalid(path, "It is there twice.");
    if (!directories.has(names.slice(0, -1).join("/"))) throw invalid(path, "Its directory is not in the archive.");
    if (contentOf(entry).length > 0xffff_ffff) throw invalid(path, "It is larger than 4 GiB.");
    if (entry.type === "directory") directories.add(path);
    before = path;
  }
}

function invalid(path: string, why: string): Fault {
  return new Fault("ARCHIVE_INVALID", {
    what: `"${path}" cannot be put into a cpio archive.`,
    why,
    fix: "Correct the list of files that the archive is made from.",
  });
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
