import { type Static, Type } from "typebox";

/** One of some words, as a type and as a schema: a Type.Union over a mapped array would have the type never. */
export function oneOf<const Word extends string>(words: readonly Word[]) {
  return Type.Unsafe<Word>({ type: "string", enum: words });
}

/** Something on a disk. */
export const Held = Type.Object({
  /** The partition's number; 0: it fills the disk, or is no partition's. */
  number: Type.Integer({ minimum: 0 }),
  /** As images/disk-content.ts calls it, "ext4", "luks", "raid"; empty: nothing that we know. */
  kind: Type.String(),
  /** The volume's name, without control characters; empty: it has none, or it cannot be read. */
  label: Type.String(),
});
export type Held = Static<typeof Held>;

export const transports = ["virtio", "sata", "nvme", "scsi", "mmc", "usb", "other"] as const;

/** A disk of a machine, as its agent sees it and the server keeps it. */
export const Disk = Type.Object({
  /** Device path, "/dev/vda". */
  path: Type.String(),
  sizeBytes: Type.Number(),
  sectorBytes: Type.Number(),
  model: Type.String(),
  serial: Type.String(),
  wwn: Type.String(),
  transport: oneOf(transports),
  isRemovable: Type.Boolean(),
  isReadOnly: Type.Boolean(),
  /** Mount points, swap or holders (LVM, RAID) that use it now. */
  usedBy: Type.Array(Type.String()),
  /** Where it is connected, as udev's by-path names say it: "pci-0000:00:1f.2-ata-1". Absent: not known. */
  place: Type.Optional(Type.String()),
  /** What is on it; absent: nobody has looked. */
  holds: Type.Optional(Type.Array(Held)),
  /** Why it is about to fail or cannot be read, in words; absent: nothing is known of that. */
  failing: Type.Optional(Type.String()),
  /** This machine was started from it. */
  isBootMedium: Type.Optional(Type.Boolean()),
});
export type Disk = Static<typeof Disk>;
