import { BOOT_MEDIUM_LABEL } from "../../../agent/disk/boot-medium.ts";
import { Fault } from "../../../fault.ts";
import { type FatVolume, planFat32 } from "./fat32.ts";
import { type EncodedGpt, encodeGpt, FIRST_USABLE_SECTOR, lastUsableSector, SECTOR_BYTES } from "./gpt.ts";
import { type BiosBoot, bindGrub } from "./grub-bios.ts";

/** A file of the stick; its content is made when it is written. */
export type StickFile = {
  /** With "/" between names. */
  readonly path: string;
  readonly sizeBytes: number;
  content(): AsyncIterable<Uint8Array>;
};

/** A stick as it will be: a GPT with a BIOS boot partition and a FAT32 EFI system partition that holds everything. */
export type StickPlan = {
  readonly gpt: EncodedGpt;
  /** Absent: BIOS machines do not start from it. */
  readonly bios?: BiosBoot;
  readonly volume: FatVolume;
  /** Where the volume begins on the disk. */
  readonly volumeAt: number;
  readonly files: readonly StickFile[];
};

/** What makes one stick another one than the next. */
export type StickIdentity = {
  readonly diskGuid: string;
  readonly biosGuid: string;
  readonly espGuid: string;
  readonly volumeId: number;
  readonly createdAt: Date;
};

const BIOS_BOOT_TYPE = "21686148-6449-6E6F-744E-656564454649";
const ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
/** Where every tool of today begins the first partition: 1 MiB. */
const VOLUME_SECTOR = 2048;
/** GRUB's prefix names it by this number. */
export const VOLUME_PARTITION = 2;
/** FAT32 counts sectors with 32 bits. */
const MOST_VOLUME_SECTORS = 2 ** 32 - 1;
const LEAST_BYTES = 128 * 2 ** 20;
/** For further images, and for the tables of the volume. */
const ROOM_BYTES = 64 * 2 ** 20;
/** Directories and the ends of clusters: more than they ever take. */
const WASTE_PER_FILE_BYTES = 64 * 1024;

/** How large a file becomes that is written instead of a stick, in bytes: whole MiB. */
export function stickBytesFor(files: readonly Pick<StickFile, "sizeBytes">[]): number {
  const content = files.reduce((sum, { sizeBytes }) => sum + sizeBytes + WASTE_PER_FILE_BYTES, 0);
  // Tables are at most a sixty-fourth of what they describe (4 bytes a cluster of 512, twice).
  return Math.max(LEAST_BYTES, Math.ceil((content * (1 + 1 / 64) + ROOM_BYTES) / 2 ** 20) * 2 ** 20);
}

/**
 * Lays out a stick.
 *
 * @param bios GRUB for BIOS machines, not bound to a place yet
 * @throws {Fault} STICK_TOO_SMALL, STICK_FILE_TOO_LARGE
 */
export function planStick(
  diskBytes: number,
  files: readonly StickFile[],
  bios: { readonly boot: Uint8Array; readonly core: Uint8Array } | undefined,
  identity: StickIdentity,
): StickPlan {
  const diskSectors = Math.floor(diskBytes / SECTOR_BYTES);
  const lastSector = Math.min(lastUsableSector(diskSectors), VOLUME_SECTOR + MOST_VOLUME_SECTORS - 1);
  const bound = bios === undefined ? undefined : bindGrub(bios.boot, bios.core, FIRST_USABLE_SECTOR);
  const roomSectors = VOLUME_SECTOR - FIRST_USABLE_SECTOR;
  if (bound !== undefined && bound.core.length > roomSectors * SECTOR_BYTES) throw coreTooLarge(bound.core.length);
  const volume = planFat32(files, {
    sectors: lastSector - VOLUME_SECTOR + 1,
    hiddenSectors: VOLUME_SECTOR,
    label: BOOT_MEDIUM_LABEL,
    volumeId: identity.volumeId,
    createdAt: identity.createdAt,
  });
  const partitions = [
    {
      type: BIOS_BOOT_TYPE,
      guid: identity.biosGuid,
      name: "BIOS boot",
      firstSector: FIRST_USABLE_SECTOR,
      lastSector: VOLUME_SECTOR - 1,
    },
    {
      type: ESP_TYPE,
      guid: identity.espGuid,
      name: BOOT_MEDIUM_LABEL,
      firstSector: VOLUME_SECTOR,
      lastSector,
    },
  ];
  return {
    gpt: encodeGpt(diskSectors, identity.diskGuid, partitions, bound?.bootCode ?? new Uint8Array()),
    ...(bound && { bios: bound }),
    volume,
    volumeAt: VOLUME_SECTOR * SECTOR_BYTES,
    files,
  };
}

function coreTooLarge(bytes: number): Fault {
  return new Fault("STICK_LOADER", {
    what: "GRUB for BIOS does not fit before the first partition.",
    why: `It has ${bytes} bytes.`,
    fix: "Take modules out of scripts/boot-image/stick/loaders.ts.",
  });
}
