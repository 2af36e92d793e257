/**
 * Macs whose firmware is 32-bit EFI 1.10: they run only programs for ia32,
 * and they do not say so (their class is i386, as every Intel Mac's).
 * From mid-2007 on (iMac7,1, MacBookPro3,1, MacBook3,1) and in MacPro3,1 and
 * Xserve2,1 the firmware is 64-bit.
 * Source: rEFIt, "A Brief History of Apple and EFI"; OS X 10.8's requirements.
 */
export const efi32Models: readonly string[] = [
  "iMac4,1",
  "iMac4,2",
  "iMac5,1",
  "iMac5,2",
  "iMac6,1",
  "Macmini1,1",
  "Macmini2,1",
  "MacBook1,1",
  "MacBook2,1",
  "MacBookPro1,1",
  "MacBookPro1,2",
  "MacBookPro2,1",
  "MacBookPro2,2",
  "MacPro1,1",
  "MacPro2,1",
  "Xserve1,1",
  "AppleTV1,1",
];

/**
 * Those of them with a Core Solo, a Core Duo or a Pentium M: no 64-bit kernel
 * runs on them, so our agent does not.
 */
export const models32Bit: readonly string[] = [
  "iMac4,1",
  "iMac4,2",
  "Macmini1,1",
  "MacBook1,1",
  "MacBookPro1,1",
  "MacBookPro1,2",
  "AppleTV1,1",
];

/** True for a model that runs only 32-bit EFI programs. */
export function hasEfi32(systemId: string): boolean {
  return efi32Models.includes(systemId);
}
