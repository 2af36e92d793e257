const SECTOR_BYTES = 512;
/** Of the boot sector's bytes those before the disk's signature and the partition table. */
const BOOT_CODE_BYTES = 440;
/** boot.img: where the 64-bit number of core.img's first sector stands (GRUB_BOOT_MACHINE_KERNEL_SECTOR). */
const KERNEL_SECTOR_AT = 0x5c;
/** boot.img: a jump that grub-bios-setup takes out for hard disks (GRUB_BOOT_MACHINE_DRIVE_CHECK): some BIOSes name the wrong drive. */
const DRIVE_CHECK_AT = 0x66;
const TWO_NOPS = 0x9090;
/** diskboot.img, core.img's first sector: where the 64-bit number of its second sector stands. */
const NEXT_SECTOR_AT = SECTOR_BYTES - 12;

/** What a BIOS starts from a GPT disk. */
export type BiosBoot = {
  /** For the disk's first sector, before the partition table: 440 bytes. */
  readonly bootCode: Uint8Array;
  /** For the BIOS boot partition, from its first sector on; whole sectors. */
  readonly core: Uint8Array;
};

/**
 * Binds GRUB to its place on a disk as grub-bios-setup would do it, but without a device to write to.
 *
 * @param boot Debian's boot.img
 * @param core what grub-mkimage made for i386-pc
 * @param coreSector the BIOS boot partition's first sector
 */
export function bindGrub(boot: Uint8Array, core: Uint8Array, coreSector: number): BiosBoot {
  const bootCode = Uint8Array.from(boot.subarray(0, BOOT_CODE_BYTES));
  const bootView = new DataView(bootCode.buffer);
  bootView.setBigUint64(KERNEL_SECTOR_AT, BigInt(coreSector), true);
  bootView.setUint16(DRIVE_CHECK_AT, TWO_NOPS, true);
  const bound = new Uint8Array(Math.ceil(core.length / SECTOR_BYTES) * SECTOR_BYTES);
  bound.set(core);
  new DataView(bound.buffer).setBigUint64(NEXT_SECTOR_AT, BigInt(coreSector + 1), true);
  return { bootCode, core: bound };
}
