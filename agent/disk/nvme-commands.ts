/**
 * NVMe admin commands as bytes, as the kernel takes them: `struct nvme_passthru_cmd` of Linux, linux/nvme_ioctl.h. The
 * fields of commands and answers are those of NVMe Base Specification 2.0.
 */

/** _IOWR('N', 0x41, struct nvme_passthru_cmd): an admin command to the controller that a disk belongs to. */
export const NVME_ADMIN_COMMAND = 0xc048_4e41;
/** _IO('N', 0x40): returns the number of the namespace that a disk is. */
export const NVME_NAMESPACE_ID = 0x4e40;

const COMMAND_BYTES = 72;
const IDENTIFY_BYTES = 4096;
const LOG_BYTES = 512;
/** The controller itself, or all of its namespaces. */
const EVERY_NAMESPACE = 0xffff_ffff;
const SANITIZE_STATUS_LOG = 0x81;

/** One admin command. */
export type NvmeCommand = {
  readonly opcode: number;
  readonly namespaceId: number;
  /** Command dword 10. */
  readonly dword10: number;
  /** How many bytes it brings. */
  readonly answerBytes: number;
  /** The kernel gives it up then. */
  readonly timeoutMs: number;
};

/** A controller that works on a format for so long has failed. */
const FORMAT_TIMEOUT_MS = 3_600_000;
const TIMEOUT_MS = 30_000;

export const identifyController: NvmeCommand = {
  opcode: 0x06,
  namespaceId: 0,
  dword10: 1,
  answerBytes: IDENTIFY_BYTES,
  timeoutMs: TIMEOUT_MS,
};

export function identifyNamespace(namespaceId: number): NvmeCommand {
  return { ...identifyController, namespaceId, dword10: 0 };
}

/** Numbers of sanitize's actions. */
const actions = { block: 2, crypto: 4 } as const;

/** It answers when it has begun; `sanitizeLog` tells how far it is. */
export function sanitize(how: keyof typeof actions): NvmeCommand {
  return { opcode: 0x84, namespaceId: 0, dword10: actions[how], answerBytes: 0, timeoutMs: TIMEOUT_MS };
}

export const sanitizeLog: NvmeCommand = {
  opcode: 0x02,
  namespaceId: EVERY_NAMESPACE,
  // The length in dwords, less one, is in the upper half.
  dword10: ((LOG_BYTES / 4 - 1) << 16) | SANITIZE_STATUS_LOG,
  answerBytes: LOG_BYTES,
  timeoutMs: TIMEOUT_MS,
};

const ERASE_USER_DATA = 1 << 9;

/**
 * Formats a namespace and erases what it held, with the sectors and the protection that it has. It answers at its end.
 *
 * @param namespace the answer to `identifyNamespace`
 */
export function format(namespaceId: number, namespace: Uint8Array): NvmeCommand {
  // FLBAS: the format's number in bits 3 to 0, its higher bits in 6 and 5; bit 4: metadata lies among the data.
  const used = namespace[26] ?? 0;
  // DPS: the protection's type in bits 2 to 0; bit 3: it lies in the first bytes of the metadata.
  const protection = namespace[29] ?? 0;
  const sectors = (used & 0x1f) | (((used >> 5) & 3) << 12);
  const dword10 = sectors | ((protection & 0xf) << 5) | ERASE_USER_DATA;
  return { opcode: 0x80, namespaceId, dword10, answerBytes: 0, timeoutMs: FORMAT_TIMEOUT_MS };
}

/**
 * A command in the kernel's form. The kernel writes into it, so it needs memory of its own.
 *
 * @param answerAddress where the answer is to lie in memory
 */
export function encodeNvmeCommand(command: NvmeCommand, answerAddress: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(COMMAND_BYTES));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, command.opcode);
  view.setUint32(4, command.namespaceId, true);
  view.setBigUint64(24, BigInt(answerAddress), true);
  view.setUint32(36, command.answerBytes, true);
  view.setUint32(40, command.dword10, true);
  view.setUint32(64, command.timeoutMs, true);
  return bytes;
}

/** What an NVMe controller can destroy everything with. */
export type NvmeErase = "nvme-sanitize-block" | "nvme-sanitize-crypto" | "nvme-format";

/**
 * From the answer to `identifyController` (figure 275): NN, SANICAP, OACS. A controller that can have more than one
 * namespace is left alone: one that is not attached is not seen here, and would be lost with the others.
 */
export function nvmeOffer(controller: Uint8Array): NvmeErase | undefined {
  if (controller.length < IDENTIFY_BYTES) return undefined;
  const view = new DataView(controller.buffer, controller.byteOffset, controller.length);
  if (view.getUint32(516, true) !== 1) return undefined;
  const capabilities = view.getUint32(328, true);
  if ((capabilities & 2) !== 0) return "nvme-sanitize-block";
  if ((capabilities & 1) !== 0) return "nvme-sanitize-crypto";
  return (view.getUint16(256, true) & 2) !== 0 ? "nvme-format" : undefined;
}

export type SanitizeState = "done" | "underway" | "failed";

/** From the answer to `sanitizeLog`: SSTAT's low three bits (figure 292). */
export function nvmeSanitizeState(log: Uint8Array): SanitizeState {
  if (log.length < LOG_BYTES) return "failed";
  const state = new DataView(log.buffer, log.byteOffset).getUint16(2, true) & 7;
  // 0: it was never sanitized, so it did not begin.
  if (state === 1 || state === 4) return "done";
  return state === 2 ? "underway" : "failed";
}
