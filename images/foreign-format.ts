/** How many bytes of a file's start and of its end `foreignFormatOf` looks at. */
export const FORMAT_PROBE_BYTES = 512;

/** What a file is, when it is no raw disk image. */
export type ForeignFormat = { readonly id: FormatId; readonly name: string };

export type FormatId =
  /** Disk images of virtual machines. */
  | "qcow2"
  | "vmdk"
  | "vhdx"
  | "vpc"
  | "vdi"
  /** Disk images of macOS. */
  | "sparseimage"
  | "encrypted"
  | "udif"
  | "partclone"
  /** Around any of them. */
  | "gzip"
  | "xz"
  | "zstd"
  | "zip"
  /** Known, to be refused by name. */
  | "other";

type Magic = ForeignFormat & { readonly at: number; readonly magic: string; readonly from?: "end" };

const magics: readonly Magic[] = [
  // First: a .dmg begins with some chunk of its disk, and that may look like anything.
  { id: "udif", name: ".dmg (UDIF)", at: -512, magic: "koly", from: "end" },
  { id: "qcow2", name: "qcow2", at: 0, magic: "QFI\xfb" },
  { id: "vmdk", name: "VMDK", at: 0, magic: "KDMV" },
  { id: "vmdk", name: "VMDK", at: 0, magic: "COWD" },
  { id: "vmdk", name: "VMDK", at: 0, magic: "# Disk DescriptorFile" },
  { id: "vhdx", name: "VHDX", at: 0, magic: "vhdxfile" },
  { id: "vpc", name: "VHD", at: 0, magic: "conectix" },
  // One of fixed size is a raw disk with this footer.
  { id: "vpc", name: "VHD", at: -512, magic: "conectix", from: "end" },
  { id: "vdi", name: "VDI", at: 64, magic: "\x7f\x10\xda\xbe" },
  { id: "sparseimage", name: "sparse image of macOS", at: 0, magic: "sprs" },
  { id: "encrypted", name: "encrypted .dmg", at: 0, magic: "encrcdsa" },
  { id: "encrypted", name: "encrypted .dmg (version 1)", at: -8, magic: "cdsaencr", from: "end" },
  { id: "partclone", name: "partclone", at: 0, magic: "partclone-image" },
  { id: "gzip", name: "gzip", at: 0, magic: "\x1f\x8b\x08" },
  { id: "xz", name: "xz", at: 0, magic: "\xfd7zXZ\0" },
  { id: "zstd", name: "zstd", at: 0, magic: "\x28\xb5\x2f\xfd" },
  // The frame that a table for random access, or a comment, is in; another frame follows.
  { id: "zstd", name: "zstd", at: 1, magic: "\x2a\x4d\x18" },
  { id: "zip", name: "zip", at: 0, magic: "PK\x03\x04" },
  { id: "other", name: "bzip2", at: 0, magic: "BZh" },
  { id: "other", name: "lzip", at: 0, magic: "LZIP" },
  { id: "other", name: "LZ4", at: 0, magic: "\x04\x22\x4d\x18" },
  { id: "other", name: "7-Zip", at: 0, magic: "7z\xbc\xaf\x27\x1c" },
  { id: "other", name: "RAR", at: 0, magic: "Rar!\x1a\x07" },
  { id: "other", name: "tar archive", at: 257, magic: "ustar" },
  { id: "other", name: "WIM (Windows)", at: 0, magic: "MSWIM\0\0\0" },
  { id: "other", name: "installer package (xar)", at: 0, magic: "xar!\0\x1c" },
  { id: "other", name: "encrypted archive of Apple (AEA)", at: 0, magic: "AEA1" },
];

/**
 * The format of a file that is no raw disk image: another disk image format or
 * a compressed file. Undefined when nothing speaks against raw.
 * None of these magics can begin a boot sector or a file system that `fileSystemOf` knows.
 *
 * A raw image that were made of such a file would look well and boot nowhere.
 *
 * @param start the first `FORMAT_PROBE_BYTES` of the file, or all of it
 * @param end the last `FORMAT_PROBE_BYTES`: an UDIF has its header there
 */
export function foreignFormatOf(start: Uint8Array, end: Uint8Array): ForeignFormat | undefined {
  const has = ({ at, magic, from }: Magic): boolean => {
    const bytes = from === "end" ? end : start;
    const place = at < 0 ? bytes.length + at : at;
    if (place < 0) return false;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(
      "latin1",
      place,
      place + magic.length,
    );
    return text === magic;
  };
  const found = magics.find(has);
  return found && { id: found.id, name: found.name };
}
