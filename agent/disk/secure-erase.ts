import { Fault } from "../../fault.ts";
import type { Clock } from "../client/backoff.ts";
import type { Disk } from "../contract.ts";
import type { Tools } from "../machine/tools.ts";
import { tellOn } from "../tell-on.ts";
import type { SecureErase } from "./erase-plan.ts";
import {
  format,
  identifyController,
  identifyNamespace,
  nvmeOffer,
  nvmeSanitizeState,
  type SanitizeState,
  sanitize,
  sanitizeLog,
} from "./nvme-commands.ts";
import type { NvmeDevices } from "./nvme-device.ts";

const ASK_TIMEOUT_MS = 30_000;
/** A format or a secure discard answers when it is through. */
const ERASE_TIMEOUT_MS = 3_600_000;
/** An overwrite of a large disk takes a day; nothing else takes as long. */
const MOST_SANITIZE_MS = 48 * 3_600_000;
const POLL_MS = 5000;

type SecureMachine = { readonly tools: Tools; readonly nvme: NvmeDevices; readonly clock: Clock };

/**
 * How this disk destroys everything that it holds; undefined when it cannot, or when that would reach beyond it: an
 * NVMe controller with a second namespace sanitizes both.
 *
 * @param all every disk of the machine
 */
export async function secureEraseOf(
  disk: Disk,
  all: readonly Disk[],
  { tools, nvme }: Pick<SecureMachine, "tools" | "nvme">,
): Promise<SecureErase | undefined> {
  if (disk.transport === "mmc") return "mmc-secure-discard";
  if (disk.transport === "sata") {
    return ataOffer(await tools.run("hdparm", ["-I", disk.path], { timeoutMs: ASK_TIMEOUT_MS }).catch(() => ""));
  }
  const controller = controllerOf(disk.path);
  if (controller === undefined) return undefined;
  if (all.some(({ path }) => path !== disk.path && controllerOf(path) === controller)) return undefined;
  return nvme.send(disk.path, () => identifyController).then(nvmeOffer, () => undefined);
}

function controllerOf(path: string): string | undefined {
  return /^(\/dev\/nvme\d+)n\d+$/.exec(path)?.[1];
}

/** From "hdparm -I" (ACS-4, 7.36): the feature set and its commands are lines of their own, with a star where they are enabled. */
export function ataOffer(identity: string): SecureErase | undefined {
  const has = (name: string) => new RegExp(`^\\s*\\*\\s+${name}`, "m").test(identity);
  if (!has("SANITIZE feature set")) return undefined;
  if (has("BLOCK_ERASE_EXT")) return "ata-sanitize-block";
  if (has("CRYPTO_SCRAMBLE_EXT")) return "ata-sanitize-crypto";
  return has("OVERWRITE_EXT") ? "ata-sanitize-overwrite" : undefined;
}

/** The command that begins it, of a device that is no NVMe. */
export function secureCommand(
  how: Exclude<SecureErase, `nvme-${string}`>,
  disk: Pick<Disk, "path" | "sizeBytes">,
): readonly string[] {
  const ata = ["hdparm", "--yes-i-know-what-i-am-doing"];
  switch (how) {
    case "ata-sanitize-block":
      return [...ata, "--sanitize-block-erase", disk.path];
    case "ata-sanitize-crypto":
      return [...ata, "--sanitize-crypto-scramble", disk.path];
    case "ata-sanitize-overwrite":
      return [...ata, "--sanitize-overwrite", "hex:00000000", disk.path];
    case "mmc-secure-discard":
      return ["blkdiscard", "--force", "--secure", "--offset", "0", "--length", String(disk.sizeBytes), disk.path];
  }
}

/**
 * Lets the device destroy everything, and waits until it has.
 *
 * @throws {Fault} ERASE_FAILED
 */
export async function destroy(
  how: SecureErase,
  disk: Disk,
  machine: SecureMachine,
  wait: { readonly signal: AbortSignal; onWait(detail: string): void },
): Promise<void> {
  const { clock } = machine;
  try {
    const begins = `${disk.path} is told to erase itself (${how}); it cannot be stopped, and must keep its power`;
    await tellOn(begins, { clock, say: wait.onWait }, () => begin(how, disk, machine));
    if (!how.includes("sanitize")) return;
    const deadline = clock.now() + MOST_SANITIZE_MS;
    for (;;) {
      const state = await stateOf(how, disk.path, machine);
      if (state === "done") return;
      if (state === "failed" || clock.now() > deadline) throw new Error(`the device says: ${state}`);
      wait.onWait(`${disk.path} erases itself (${how}); it cannot be stopped, and must keep its power`);
      wait.signal.throwIfAborted();
      await clock.sleep(POLL_MS);
    }
  } catch (error) {
    if (wait.signal.aborted) throw error;
    throw new Fault(
      "ERASE_FAILED",
      {
        what: `${disk.path} did not erase itself as ordered (${how}).`,
        why: error instanceof Error ? error.message : String(error),
        fix: 'Switch the machine off and on and order it again, or take "--erase zeros".',
      },
      error,
    );
  }
}

async function begin(how: SecureErase, disk: Disk, { tools, nvme }: SecureMachine): Promise<void> {
  switch (how) {
    case "nvme-sanitize-block":
      await nvme.send(disk.path, () => sanitize("block"));
      return;
    case "nvme-sanitize-crypto":
      await nvme.send(disk.path, () => sanitize("crypto"));
      return;
    case "nvme-format": {
      const namespace = await nvme.send(disk.path, identifyNamespace);
      await nvme.send(disk.path, (namespaceId) => format(namespaceId, namespace));
      return;
    }
    default: {
      const [command = "", ...args] = secureCommand(how, disk);
      await tools.run(command, args, { timeoutMs: ERASE_TIMEOUT_MS });
    }
  }
}

async function stateOf(how: SecureErase, path: string, { tools, nvme }: SecureMachine): Promise<SanitizeState> {
  if (how.startsWith("nvme")) return nvmeSanitizeState(await nvme.send(path, () => sanitizeLog));
  return ataSanitizeState(await tools.run("hdparm", ["--sanitize-status", path], { timeoutMs: ASK_TIMEOUT_MS }));
}

/** From "hdparm --sanitize-status" (hdparm's sanitize states: SD0 idle, SD1 frozen, SD2 in process). */
export function ataSanitizeState(status: string): SanitizeState {
  if (/SD2|in process/i.test(status)) return "underway";
  const isClean = /completed without error/i.test(status) && !/SD1|frozen/i.test(status);
  return isClean ? "done" : "failed";
}
