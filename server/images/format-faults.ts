import { Fault } from "../../fault.ts";

const ways: Readonly<Record<string, string>> = {
  bzip2: 'Unpack it: "bzip2 -dk FILE".',
  lzip: 'Unpack it: "lzip -dk FILE".',
  LZ4: 'Unpack it: "lz4 -d FILE".',
  "7-Zip": 'Unpack it: "7zz x FILE".',
  RAR: 'Unpack it: "unrar x FILE".',
  "tar archive": 'It holds files, not a disk. Unpack it ("tar -xf FILE"), and give the disk image that is in it.',
  "WIM (Windows)":
    "It holds files, not a disk. Install Windows from it on one machine, and make an image of that disk.",
  "installer package (xar)": "It installs files on a Mac. Give the image of a disk that it was installed on.",
  "encrypted archive of Apple (AEA)": 'On a Mac: "aea decrypt -i FILE -o OUT.dmg".',
};

/** @returns {Fault} IMAGE_FORMAT for a file whose format is known, and not read */
export function contentNotRead(path: string, format: string): Fault {
  return new Fault("IMAGE_FORMAT", {
    what: `${path} is not a disk image that can be read.`,
    why: `It is, or holds, this format: ${format}.`,
    fix: ways[format] ?? 'Give a raw disk image, or one of the formats that "bootcast image info --help" lists.',
  });
}
