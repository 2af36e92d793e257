import { Fault } from "../../fault.ts";
import { mirrorOf } from "../boot-image/archive.ts";
import { command } from "./command.ts";

/**
 * The address of a Debian archive, as this machine's own apt is configured.
 *
 * @throws {Fault} GOLDEN_NO_MIRROR when apt knows none
 */
export async function debianMirror(): Promise<string> {
  const format = "$(IDENTIFIER)|$(COMPONENT)|$(RELEASE)|$(ORIGIN)|$(REPO_URI)";
  const targets = await command("apt-get", ["indextargets", "--format", format], { timeoutMs: 30_000 });
  const address = mirrorOf(targets);
  if (address !== undefined) return address;
  throw new Fault("GOLDEN_NO_MIRROR", {
    what: "No Debian mirror was found for the golden disk.",
    why: "apt on this machine names no Debian archive with a main component over HTTP.",
    fix: "Add one to /etc/apt/sources.list.d and run apt-get update.",
  });
}
