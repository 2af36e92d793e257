import { posix } from "node:path";
import type { Change, IdentityModule } from "./change.ts";
import { isLinuxRoot } from "./linux-system.ts";
import type { VolumeFiles } from "./volume-files.ts";

/** What udev once wrote down: which address is eth0. A clone's card would become eth1. */
const WRITTEN_RULES = "/etc/udev/rules.d/70-persistent-net.rules";

/** Where a network card's settings can be bound to one address, and the lines that bind them. */
const places: readonly { readonly directory: string; readonly file: RegExp; readonly line: RegExp }[] = [
  // Red Hat and SUSE: the lines only bind; the settings work without them.
  { directory: "/etc/sysconfig/network-scripts", file: /^ifcfg-(?!lo$)/, line: /^\s*HWADDR=.*$/i },
  { directory: "/etc/sysconfig/network", file: /^ifcfg-(?!lo$)/, line: /^\s*(HWADDR|LLADDR)=.*$/i },
  { directory: "/etc/NetworkManager/system-connections", file: /./, line: /^\s*(mac-address|seen-bssids)\s*=.*$/ },
];

/** Where an address is a part of a rule that would fall apart without it: it is replaced by this machine's. */
const rules: readonly { readonly directory: string; readonly file: RegExp; readonly line: RegExp }[] = [
  { directory: "/etc/netplan", file: /\.ya?ml$/, line: /^\s*macaddress:/ },
  { directory: "/etc/systemd/network", file: /\.(link|network)$/, line: /^\s*(Permanent)?MACAddress\s*=/ },
];

const address = /\b[0-9a-f]{2}([:-][0-9a-f]{2}){5}\b/gi;

/** Settings of network cards that only fit the machine that the image was made on. */
export const linuxNetworkNames: IdentityModule = {
  name: "linux-network-names",
  async plan(volume, identity) {
    if (!(await isLinuxRoot(volume))) return undefined;
    const changes: Change[] = [];
    const notes: string[] = [];
    if ((await volume.lstat(WRITTEN_RULES))?.isFile() === true) {
      changes.push({ kind: "delete", path: WRITTEN_RULES, why: "it binds card names to the old machine's addresses" });
    }
    for (const { directory, file, line } of places) {
      for (const { path, text } of await textsIn(volume, directory, file)) {
        const content = withoutLines(text, line);
        if (content !== text)
          changes.push({ kind: "write", path, content, why: "it was bound to the old machine's card" });
      }
    }
    for (const { directory, file, line } of rules) {
      for (const { path, text } of await textsIn(volume, directory, file)) {
        const { content, others } = withAddress(text, line, identity.mac);
        if (others > 1)
          notes.push(`${path} stays: it names ${others} network cards, and which one is which is not known`);
        else if (content !== text)
          changes.push({ kind: "write", path, content, why: "its card is now this machine's" });
      }
    }
    return { changes, notes };
  },
};

/** `text` without the lines that match; everything else byte for byte as it is. */
export function withoutLines(text: string, line: RegExp): string {
  return text
    .split("\n")
    .filter((each) => !line.test(each))
    .join("\n");
}

/**
 * `text` with `mac` for the one address that its matching lines name.
 *
 * @returns others: how many different addresses they name; with more than one nothing is replaced
 */
export function withAddress(text: string, line: RegExp, mac: string): { content: string; others: number } {
  const lines = text.split("\n");
  const named = new Set(
    lines.filter((each) => line.test(each)).flatMap((each) => (each.match(address) ?? []).map(plainAddress)),
  );
  if (named.size !== 1 || named.has(plainAddress(mac))) return { content: text, others: named.size };
  const content = lines.map((each) => (line.test(each) ? each.replaceAll(address, mac) : each)).join("\n");
  return { content, others: 1 };
}

function plainAddress(text: string): string {
  return text.toLowerCase().replaceAll("-", ":");
}

async function textsIn(
  volume: VolumeFiles,
  directory: string,
  file: RegExp,
): Promise<{ path: string; text: string }[]> {
  const found: { path: string; text: string }[] = [];
  for (const name of await volume.list(directory)) {
    if (!file.test(name)) continue;
    const path = posix.join(directory, name);
    const text = (await volume.lstat(path))?.isFile() === true ? await volume.readText(path) : undefined;
    if (text !== undefined) found.push({ path, text });
  }
  return found;
}
