import { Fault } from "../../fault.ts";
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

/** Chooses the archive itself among apt's index targets: not its updates, not its security archive. */
export function mirrorOf(targets: string): string | undefined {
  const archives = targets
    .split("\n")
    .map((line) => line.split("|"))
    .filter(([identifier, component, release, , address]) => {
      const isArchive = /^[a-z]+$/.test(release ?? "") && /^https?:/.test(address ?? "");
      return identifier === "Packages" && component === "main" && isArchive;
    });
  // Before the first `apt-get update` the origin is not known; then the address has to say it.
  const debian = archives.find(([, , , origin]) => origin === "Debian");
  return (debian ?? archives.find(([, , , , address]) => /\/debian\/?$/.test(address ?? "")))?.[4];
}
