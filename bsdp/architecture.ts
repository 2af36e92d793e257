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

/** What a Raspberry Pi's own boot program says it is, when it does not say 0 (BIOS). */
export const RASPBERRY_PI_ARCHITECTURE = 41;

/** Blocks of hardware addresses of Raspberry Pi boards with a network card (IEEE registry). */
const raspberryPrefixes = ["b8:27:eb", "dc:a6:32", "e4:5f:01", "28:cd:c1", "d8:3a:dd", "2c:cf:67", "88:a2:9e"];

/**
 * True when a Raspberry Pi's own boot program asks, and not a UEFI or U-Boot that runs on it. It says that it is a
 * BIOS, but a BIOS file must never reach it. Its machine id begins with "RPi" and the model's number, unless that was
 * switched off in its settings.
 */
export function isRaspberryPi(
  mac: string,
  architecture: number | undefined,
  machineId: Uint8Array | undefined,
): boolean {
  if (architecture === RASPBERRY_PI_ARCHITECTURE) return true;
  if (architecture !== undefined && architecture !== 0) return false;
  const isOwnForm = machineId !== undefined && Buffer.from(machineId).toString("latin1", 1, 4) === "RPi";
  return isOwnForm || raspberryPrefixes.includes(mac.slice(0, 8));
}
