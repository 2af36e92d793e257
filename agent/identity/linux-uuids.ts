import { posix } from "node:path";
import type { Change, IdentityModule } from "./change.ts";
import { isLinuxRoot } from "./linux-system.ts";

/** Files that find a file system or a partition by its UUID. */
const files = [
  "/etc/fstab",
  "/etc/default/grub",
  "/etc/kernel/cmdline",
  // A Raspberry Pi's, on its FAT partition or where that is mounted.
  "/cmdline.txt",
  "/boot/cmdline.txt",
  "/boot/firmware/cmdline.txt",
  "/etc/initramfs-tools/conf.d/resume",
  "/boot/grub/grub.cfg",
  "/boot/grub2/grub.cfg",
  "/boot/grub/device.map",
  "/boot/grub2/grubenv",
];
/** Boot entries of systemd-boot and Fedora's GRUB, one file each; and GRUB's own beside the EFI loader. */
const directories = ["/boot/loader/entries", "/boot/efi/loader/entries", "/boot/efi/EFI", "/efi/loader/entries"];
const CRYPTTAB = "/etc/crypttab";

/**
 * Where file systems were given new UUIDs, what finds them by the old ones. crypttab is never touched: it names the
 * encrypted containers, and what is wrong there makes data unreachable.
 */
export const linuxUuids: IdentityModule = {
  name: "linux-uuids",
  async plan(volume, { renewedUuids = new Map() }) {
    if (renewedUuids.size === 0) return undefined;
    const isRoot = await isLinuxRoot(volume);
    const changes: Change[] = [];
    const notes: string[] = [];
    // A /boot of its own has the same files without that name in front.
    const paths = isRoot ? [...files] : ["/cmdline.txt", ...files.filter(isOnBoot).map((path) => path.slice(5))];
    for (const directory of isRoot ? directories : directories.map((path) => path.replace(/^\/boot(\/efi)?/, ""))) {
      for (const name of await volume.list(directory)) {
        if (name.endsWith(".conf")) paths.push(posix.join(directory, name));
        else paths.push(posix.join(directory, name, "grub.cfg"));
      }
    }
    for (const path of new Set(paths)) {
      const text = await volume.readText(path);
      if (text === undefined) continue;
      const content = withUuids(text, renewedUuids);
      if (content !== text) changes.push({ kind: "write", path, content, why: "file systems have new UUIDs" });
    }
    const crypttab = isRoot ? await volume.readText(CRYPTTAB) : undefined;
    if (crypttab !== undefined && withUuids(crypttab, renewedUuids) !== crypttab) {
      notes.push(`${CRYPTTAB} stays as it is, and names a UUID that was renewed: change it by hand`);
    }
    return changes.length === 0 && notes.length === 0 ? undefined : { changes, notes };
  },
};

function isOnBoot(path: string): boolean {
  return path.startsWith("/boot/");
}

/** `text` with new UUIDs for old ones, in the case in which each is written. Each place is replaced once: UUIDs may be swapped. */
export function withUuids(text: string, renewed: ReadonlyMap<string, string>): string {
  const words = [...renewed.keys()]
    .map((uuid) => uuid.replaceAll(/[^0-9a-fA-F-]/g, ""))
    .filter((uuid) => uuid.length >= 8);
  if (words.length === 0) return text;
  // No longer word of hex digits around it: the short ones of FAT and NTFS may be a part of others.
  const pattern = new RegExp(`(?<![0-9A-Za-z-])(?:${words.join("|")})(?![0-9A-Za-z-])`, "gi");
  return text.replaceAll(pattern, (old) => {
    const fresh = renewed.get(old.toLowerCase());
    if (fresh === undefined) return old;
    return old === old.toUpperCase() && old !== old.toLowerCase() ? fresh.toUpperCase() : fresh;
  });
}
