import type { Platform } from "./boot-files.ts";

/**
 * Which of our loaders runs on a client architecture (option 93; IANA,
 * "Processor Architecture Types"). What is missing gets no offer.
 */
const platforms: Readonly<Record<number, Platform>> = {
  0: "bios",
  6: "ia32",
  7: "x64",
  // 7 and 9 were swapped in older lists (RFC 4578, erratum of 2016); x64 machines still send 9.
  9: "x64",
  11: "arm64",
  // The same again for UEFI HTTP boot.
  15: "ia32",
  16: "x64",
  17: "x64",
  19: "arm64",
  20: "bios",
  // U-Boot with its EFI loader, by TFTP and by HTTP.
  22: "arm64",
  24: "arm64",
};

/** The platform of an architecture, or undefined when we have nothing for it. */
export function platformOf(architecture: number): Platform | undefined {
  return platforms[architecture];
}

/** Raspberry Pi boot ROMs say that they are a BIOS; a BIOS file must never reach them. */
const raspberryPrefixes = ["b8:27:eb", "dc:a6:32", "e4:5f:01", "28:cd:c1", "d8:3a:dd"];

/** True for a hardware address of a Raspberry Pi. */
export function isRaspberryPi(mac: string): boolean {
  return raspberryPrefixes.includes(mac.slice(0, 8));
}
