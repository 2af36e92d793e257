import { Fault } from "../../fault.ts";
import type { Architecture } from "./architecture.ts";
import { run } from "./run.ts";

/** A release of Debian for one kind of machine, whatever this machine runs itself. */
export type DebianRelease = { readonly suite: string; readonly architecture: Architecture };

/** What checks the signatures of every release of Debian; from the package debian-archive-keyring. */
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
const components = "main non-free-firmware";
const format = "$(IDENTIFIER)|$(COMPONENT)|$(RELEASE)|$(ORIGIN)|$(REPO_URI)";

/**
 * A `sources.list` for a release, from the archive that this machine's own apt is set up for.
 *
 * @throws {Fault} BOOT_IMAGE_NO_ARCHIVE when apt here knows none
 */
export async function sourcesFor(release: DebianRelease): Promise<string> {
  const targets = (await run("apt-get", ["indextargets", "--format", format])).toString("utf8");
  const sources = sourcesOf(targets, release);
  if (sources !== undefined) return sources;
  throw new Fault("BOOT_IMAGE_NO_ARCHIVE", {
    what: `There is no place to get Debian's ${release.suite} for ${release.architecture} from.`,
    why: "apt on this machine names no Debian archive with a main component over HTTP.",
    fix: "Add one to /etc/apt/sources.list.d and run apt-get update.",
  });
}

/** The same from what `apt-get indextargets` prints: the archive itself, and its security archive where there is one. */
export function sourcesOf(targets: string, { suite, architecture }: DebianRelease): string | undefined {
  const archive = mirrorOf(targets);
  if (archive === undefined) return undefined;
  const security = rowsOf(targets).find(
    ([, component, release, origin]) => component === "main" && origin === "Debian" && release?.endsWith("-security"),
  )?.[4];
  const line = (address: string, name: string): string =>
    `deb [arch=${architecture} signed-by=${keyring}] ${address} ${name} ${components}\n`;
  return line(archive, suite) + (security === undefined ? "" : line(security, `${suite}-security`));
}

/** Chooses the archive itself among apt's index targets: not its updates, not its security archive. */
export function mirrorOf(targets: string): string | undefined {
  const archives = rowsOf(targets).filter(([, component, release, , address]) => {
    const isArchive = /^[a-z]+$/.test(release ?? "") && /^https?:/.test(address ?? "");
    return component === "main" && isArchive;
  });
  // Before the first `apt-get update` the origin is not known; then the address has to say it.
  const debian = archives.find(([, , , origin]) => origin === "Debian");
  return (debian ?? archives.find(([, , , , address]) => /\/debian\/?$/.test(address ?? "")))?.[4];
}

function rowsOf(targets: string): string[][] {
  return targets
    .split("\n")
    .map((line) => line.split("|"))
    .filter(([identifier]) => identifier === "Packages");
}
