/** How many bytes of a file's start and of its end `foreignFormatOf` looks at. */
export const FORMAT_PROBE_BYTES = 512;

type Magic = { readonly name: string; readonly at: number; readonly magic: string; readonly isAtEnd?: true };

const magics: readonly Magic[] = [
  { name: "qcow2", at: 0, magic: "QFI\xfb" },
  { name: "VMDK", at: 0, magic: "KDMV" },
  { name: "VMDK", at: 0, magic: "# Disk DescriptorFile" },
  { name: "VHDX", at: 0, magic: "vhdxfile" },
  { name: "VHD", at: 0, magic: "conectix" },
  { name: "VDI", at: 64, magic: "\x7f\x10\xda\xbe" },
  { name: "sparse image of macOS", at: 0, magic: "sprs" },
  { name: "encrypted .dmg", at: 0, magic: "encrcdsa" },
  { name: ".dmg (UDIF)", at: 0, magic: "koly", isAtEnd: true },
  { name: "partclone", at: 0, magic: "partclone-image" },
  { name: "gzip", at: 0, magic: "\x1f\x8b\x08" },
  { name: "xz", at: 0, magic: "\xfd7zXZ\0" },
  { name: "zstd", at: 0, magic: "\x28\xb5\x2f\xfd" },
  { name: "bzip2", at: 0, magic: "BZh" },
  { name: "zip", at: 0, magic: "PK\x03\x04" },
  { name: "7-Zip", at: 0, magic: "7z\xbc\xaf\x27\x1c" },
];

/**
 * The name of the format of a file that is no raw disk image: another disk
 * image format or a compressed file. Undefined when nothing speaks against raw.
 * None of these magics can begin a boot sector or a file system that `fileSystemOf` knows.
 *
 * A raw image that were made of such a file would look well and boot nowhere.
 *
 * @param start the first `FORMAT_PROBE_BYTES` of the file, or all of it
 * @param end the last `FORMAT_PROBE_BYTES`: an UDIF has its header there
 */
export function foreignFormatOf(start: Uint8Array, end: Uint8Array): string | undefined {
  const found = magics.find(({ at, magic, isAtEnd }) => {
    const bytes = isAtEnd ? end : start;
    return (
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1", at, at + magic.length) === magic
    );
  });
  return found?.name;
}
