import { Fault } from "../../fault.ts";
import type { Clock } from "../client/backoff.ts";
import type { Disk } from "../contract.ts";
import type { Tools } from "../machine/tools.ts";
import type { SecureErase } from "./erase-plan.ts";

const ASK_TIMEOUT_MS = 30_000;
/** A format or a secure discard answers when it is through. */
const ERASE_TIMEOUT_MS = 3_600_000;
/** An overwrite of a large disk takes a day; nothing else takes as long. */
const MOST_SANITIZE_MS = 48 * 3_600_000;
const POLL_MS = 5000;

type SecureMachine = { readonly tools: Tools; readonly clock: Clock };

/**
 * How this disk destroys everything that it holds; undefined when it cannot, or when that would reach beyond it: an
 * NVMe controller with a second namespace sanitizes both.
 *
 * @param all every disk of the machine
 */
export async function secureEraseOf(disk: Disk, all: readonly Disk[], tools: Tools): Promise<SecureErase | undefined> {
  if (disk.transport === "mmc") return "mmc-secure-discard";
  const ask = (command: string, args: readonly string[]) =>
    tools.run(command, args, { timeoutMs: ASK_TIMEOUT_MS }).catch(() => "");
  if (disk.transport === "sata") return ataOffer(await ask("hdparm", ["-I", disk.path]));
  const controller = controllerOf(disk.path);
  if (controller === undefined) return undefined;
  if (all.some(({ path }) => path !== disk.path && controllerOf(path) === controller)) return undefined;
  return nvmeOffer(await ask("nvme", ["id-ctrl", controller, "--output-format=json"]));
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

/**
 * From "nvme id-ctrl" as JSON (NVMe Base 2.0, figure 275): SANICAP, OACS, NN. A controller that can have more than one
 * namespace is left alone: one that is not attached is not seen here, and would be lost with the others.
 */
export function nvmeOffer(identity: string): SecureErase | undefined {
  let fields: { sanicap?: unknown; oacs?: unknown; nn?: unknown };
  try {
    fields = JSON.parse(identity) ?? {};
  } catch {
    return undefined;
  }
  if (fields.nn !== 1) return undefined;
  const [sanicap, oacs] = [Number(fields.sanicap) | 0, Number(fields.oacs) | 0];
  if ((sanicap & 2) !== 0) return "nvme-sanitize-block";
  if ((sanicap & 1) !== 0) return "nvme-sanitize-crypto";
  return (oacs & 2) !== 0 ? "nvme-format" : undefined;
}

/** The command that begins it. */
export function secureCommand(how: SecureErase, disk: Pick<Disk, "path" | "sizeBytes">): readonly string[] {
  const controller = controllerOf(disk.path) ?? disk.path;
  const ata = ["hdparm", "--yes-i-know-what-i-am-doing"];
  switch (how) {
    case "nvme-sanitize-block":
      return ["nvme", "sanitize", controller, "--sanact=2"];
    case "nvme-sanitize-crypto":
      return ["nvme", "sanitize", controller, "--sanact=4"];
    case "nvme-format":
      return ["nvme", "format", disk.path, "--ses=1", "--force"];
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
  { tools, clock }: SecureMachine,
  wait: { readonly signal: AbortSignal; onWait(detail: string): void },
): Promise<void> {
  const [command = "", ...args] = secureCommand(how, disk);
  try {
    await tools.run(command, args, { timeoutMs: ERASE_TIMEOUT_MS });
    if (!how.includes("sanitize")) return;
    const deadline = clock.now() + MOST_SANITIZE_MS;
    for (;;) {
      const state = how.startsWith("nvme") ? await nvmeState(disk.path, tools) : await ataState(disk.path, tools);
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

type SanitizeState = "done" | "underway" | "failed";

async function nvmeState(path: string, tools: Tools): Promise<SanitizeState> {
  const controller = controllerOf(path) ?? path;
  const args = ["sanitize-log", controller, "--output-format=json"];
  return nvmeSanitizeState(await tools.run("nvme", args, { timeoutMs: ASK_TIMEOUT_MS }));
}

/** From "nvme sanitize-log" as JSON: SSTAT's low three bits, as words or as a number (NVMe Base 2.0, figure 292). */
export function nvmeSanitizeState(log: string): SanitizeState {
  const inWords = /"status"\s*:\s*"\((\d)\)/.exec(log)?.[1];
  const asNumber = /"sstat"\s*:\s*(\d{1,9})/.exec(log)?.[1];
  const state = Number(inWords ?? asNumber ?? Number.NaN) & 7;
  // 0: it was never sanitized, so it did not begin.
  if (state === 1 || state === 4) return "done";
  return state === 2 ? "underway" : "failed";
}

async function ataState(path: string, tools: Tools): Promise<SanitizeState> {
  return ataSanitizeState(await tools.run("hdparm", ["--sanitize-status", path], { timeoutMs: ASK_TIMEOUT_MS }));
}

/** From "hdparm --sanitize-status" (hdparm's sanitize states: SD0 idle, SD1 frozen, SD2 in process). */
export function ataSanitizeState(status: string): SanitizeState {
  if (/SD2|in process/i.test(status)) return "underway";
  const isClean = /completed without error/i.test(status) && !/SD1|frozen/i.test(status);
  return isClean ? "done" : "failed";
}
