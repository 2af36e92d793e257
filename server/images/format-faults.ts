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

export function cutDmg(path: string): Fault {
  return new Fault("UDIF_TRUNCATED", {
    what: `${path} is cut off, or no .dmg.`,
    why: "The trailer that ends a .dmg is not there, and its content begins with no partition table or file system that is known: it is no raw disk.",
    fix: "Copy it again from where it came from, and compare the copies. If it is a raw disk all the same, rename it to .raw.",
  });
}

export function noise(): Fault {
  return new Fault("ENCRYPTED_HEADER", {
    what: "The encrypted image is damaged.",
    why: "The passphrase is right, and what it opens is noise: the key in the header was changed.",
    fix: "Copy the image again from where it came from, and compare the copies.",
  });
}

export function tooManyLayers(most: number): Fault {
  return new Fault("IMAGE_LAYERS", {
    what: "The image is packed too often.",
    why: `There are more than ${most} files around it, one in the other.`,
    fix: "Unpack it by hand, as far as it is trusted.",
  });
}

export function emptyMember(name: string): Fault {
  return new Fault("IMAGE_EMPTY", {
    what: `${name} has no content.`,
    why: "Its size is 0 bytes.",
    fix: "Give the file that holds the disk image.",
  });
}
