import { formatSize } from "../../agent/disk/sizes.ts";
import { Fault } from "../../fault.ts";
import { FILE_SYSTEM_PROBE_BYTES, fileSystemOf } from "../../images/file-system.ts";
import type { Partition, PartitionScheme } from "../../images/manifest.ts";
import { readDiskLayout } from "../../images/partition-table.ts";
import type { DiskImage } from "../../server/images/open-image.ts";

/** What `bootcast image info FILE` says. */
export type ImageFileInfo = {
  readonly file: string;
  /** All in one line, for people. */
  readonly summary: string;
  readonly format: string;
  /** What is around the image, outermost first. */
  readonly layers: readonly { readonly kind: string; readonly title: string }[];
  readonly kind: "disk" | "volume";
  readonly diskBytes: number;
  readonly sectorBytes: number;
  readonly fileBytes: number | null;
  readonly scheme: PartitionScheme;
  /** Of a volume; empty for a disk, whose partitions have theirs. */
  readonly fileSystem: string;
  readonly partitions: readonly Partition[];
  /** Bytes of the disk that the image says it holds; null where that is not known without reading. */
  readonly dataBytes: number | null;
  readonly warnings: readonly string[];
};

/** Looks at an open image: its headers and its partition table, no content. */
export async function describeImageFile(file: string, image: DiskImage): Promise<ImageFileInfo> {
  const { source, sectorBytes, layers, kind, format, fileBytes } = image;
  const probe = await source.read(0, Math.min(FILE_SYSTEM_PROBE_BYTES, source.sizeBytes));
  const layout = await layoutOf(image);
  const fileSystem = layout.scheme === "none" ? fileSystemOf(probe) : "";
  const found = { kind, scheme: layout.scheme, fileSystem, partitions: layout.partitions };
  return {
    file,
    summary: `${imageTitle(image)}, ${contentTitle(found)}`,
    format,
    layers,
    diskBytes: source.sizeBytes,
    sectorBytes,
    fileBytes: fileBytes ?? null,
    ...found,
    dataBytes: dataBytesOf(image),
    warnings: layout.warnings,
  };
}

export function imageFileInfoText(info: ImageFileInfo): string {
  const { file, summary, diskBytes, sectorBytes, fileBytes, dataBytes, layers, partitions, warnings } = info;
  const around = layers.map(({ title }) => title).join(", in it: ");
  const lines = [
    file,
    `  is          ${summary}`,
    `  disk        ${formatSize(diskBytes)}, sectors of ${sectorBytes} bytes`,
    ...(dataBytes === null ? [] : [`  content     ${formatSize(dataBytes)}`]),
    ...(fileBytes === null ? [] : [`  file        ${formatSize(fileBytes)}`]),
    ...(around === "" ? [] : [`  packed      ${around}`]),
  ];
  for (const { number, startBytes, sizeBytes, type, label, fileSystem } of partitions) {
    const what = [fileSystem ? fileSystemTitle(fileSystem) : "unknown content", label && `"${label}"`].filter(Boolean);
    const place = `${formatSize(sizeBytes)} at ${formatSize(startBytes)}, type ${type}`;
    lines.push(`  partition ${number}  ${what.join(" ")}, ${place}`);
  }
  for (const warning of warnings) lines.push(`  warning     ${warning}`);
  return lines.join("\n");
}

/** "encrypted (AES-128) UDZO disk image in gzip in zip (aj.zip)". */
function imageTitle({ format, layers }: DiskImage): string {
  const encrypted = layers.filter(({ kind }) => kind === "encrypted").map(({ title }) => title);
  const around = layers.filter(({ kind }) => kind !== "encrypted").map(({ title }) => `in ${title}`);
  const plain = format.replace(/^encrypted /, "");
  return [...encrypted, formatTitles[plain] ?? `${plain} image`, ...around.reverse()].join(" ");
}

const formatTitles: Readonly<Record<string, string>> = {
  raw: "raw disk image",
  udrw: "UDRW disk image",
  udro: "UDRO disk image",
  udco: "UDCO disk image",
  udzo: "UDZO disk image",
  udbz: "UDBZ disk image",
  ulfo: "ULFO disk image",
  ulmo: "ULMO disk image",
  sparseimage: "sparse image of macOS",
  sparsebundle: "sparse bundle of macOS",
  qcow2: "qcow2 disk image",
  vmdk: "VMDK disk image",
  vhdx: "VHDX disk image",
  vhd: "VHD disk image",
  vdi: "VDI disk image",
};

function contentTitle(found: Pick<ImageFileInfo, "kind" | "scheme" | "fileSystem" | "partitions">): string {
  if (found.scheme === "none")
    return found.kind === "volume"
      ? `one volume, ${found.fileSystem ? fileSystemTitle(found.fileSystem) : "unknown content"}`
      : "whole disk, partition map not readable";
  const systems = found.partitions.map(({ fileSystem }) => fileSystem).filter((name) => name !== "");
  return ["whole disk", found.scheme.toUpperCase(), ...new Set(systems.map(fileSystemTitle))].join(", ");
}

const fileSystemTitles: Readonly<Record<string, string>> = {
  vfat: "FAT",
  exfat: "exFAT",
  ntfs: "NTFS",
  hfs: "HFS",
  hfsplus: "HFS+",
  hfsx: "HFSX",
  apfs: "APFS",
  xfs: "XFS",
  luks: "LUKS (encrypted)",
  bitlocker: "BitLocker (encrypted)",
  lvm: "LVM",
  raid: "RAID member",
  iso9660: "ISO 9660",
};

function fileSystemTitle(name: string): string {
  return fileSystemTitles[name] ?? name;
}

type Layout = { scheme: PartitionScheme; partitions: readonly Partition[]; warnings: readonly string[] };

/** A damaged partition table is something to say about an image, and no reason to say nothing else. */
async function layoutOf({ source, sectorBytes }: DiskImage): Promise<Layout> {
  try {
    return await readDiskLayout(source, sectorBytes);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { scheme: "none", partitions: [], warnings: [`${error.what} ${error.why}`] };
  }
}

function dataBytesOf(image: DiskImage): number | null {
  if (image.ranges === undefined) return null;
  let sum = 0;
  for (const { state, startBytes, endBytes } of image.ranges()) if (state === "data") sum += endBytes - startBytes;
  return sum;
}
