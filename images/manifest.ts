/** Who made an image, when, and what it is: shown to people, never used to decide. */
export type ImageTag = {
  readonly name: string;
  /** Counts up from 1 with every image of the same name. */
  readonly version: number;
  readonly builder: string;
  readonly createdAtMs: number;
  readonly notes: string;
};

export type PartitionScheme = "gpt" | "mbr" | "none";

/** One partition of the imaged disk, as far as the agent and the lists need it. */
export type Partition = {
  /** 1-based, as the operating system counts. */
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** GPT type GUID in upper case, or the MBR type as two hex digits. */
  readonly type: string;
  /** GPT partition name; empty for MBR. */
  readonly label: string;
  /** "ext4", "hfsplus", "vfat", "ntfs", … as found by its magic; empty when unknown. */
  readonly fileSystem: string;
};

/** One stored pack, in stream order. */
export type PackEntry = {
  /** SHA-256 of the stored bytes, lower-case hex: the pack's name in the store and on the wire. */
  readonly digest: string;
  readonly storedBytes: number;
  /** The ids of the cells inside, in the pack's order; 32 bytes each. */
  readonly cellIds: readonly Uint8Array[];
};

/** Where the content of one cell of the disk is. */
export type CellPlace =
  | { readonly state: "zero" }
  | { readonly state: "unused" }
  | { readonly state: "data"; readonly pack: number; readonly index: number };

/**
 * One immutable image version.
 *
 * `packs` is in stream order: ascending disk offset, and the packs that hold
 * the cells of the partition table last, so that a restore that stops half-way
 * never leaves a disk that looks bootable.
 */
export type Manifest = {
  readonly tag: ImageTag;
  readonly diskBytes: number;
  readonly sectorBytes: number;
  readonly scheme: PartitionScheme;
  readonly partitions: readonly Partition[];
  readonly packs: readonly PackEntry[];
  /** One place for each cell of the disk, by cell number. */
  readonly cells: readonly CellPlace[];
  /** The cells that hold the partition table (first sectors and GPT backup); written last. */
  readonly tableCells: readonly number[];
  /** SHA-256 over all cell ids in disk order (a zero cell has the id of its zeros, an unused one 32 zero bytes). */
  readonly root: Uint8Array;
};
