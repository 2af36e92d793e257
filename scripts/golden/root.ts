import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { command } from "./command.ts";
import { debianMirror } from "./mirror.ts";

const suite = "bookworm";
export const hostName = "golden";

/** Beyond debootstrap's minbase. */
const packages = ["initramfs-tools", "linux-image-amd64", "sysvinit-core"];

/** What a lab machine's disk, network and firmware need, with what these modules need in turn. */
const modulePaths = [
  "arch/x86/crypto/crc*",
  "block/t10-pi.ko",
  "crypto/crc*",
  "drivers/ata/ahci.ko",
  "drivers/ata/libahci.ko",
  "drivers/ata/libata.ko",
  "drivers/block/virtio_blk.ko",
  "drivers/cdrom/cdrom.ko",
  "drivers/char/hw_random/*",
  "drivers/net/ethernet/intel/e1000*",
  "drivers/net/net_failover.ko",
  "drivers/net/virtio_net.ko",
  "drivers/nvme/common/*",
  "drivers/nvme/host/nvme.ko",
  "drivers/nvme/host/nvme-core.ko",
  "drivers/scsi/scsi_common.ko",
  "drivers/scsi/scsi_mod.ko",
  "drivers/scsi/sd_mod.ko",
  "drivers/virtio/*",
  "fs/ext4/*",
  "fs/fat/*",
  "fs/hfsplus/*",
  "fs/jbd2/*",
  "fs/mbcache.ko",
  "fs/nls/nls_ascii.ko",
  "fs/nls/nls_cp437.ko",
  "fs/nls/nls_utf8.ko",
  "lib/*",
  "net/core/failover.ko",
];

/** Those that find the root file system. */
const bootModules = ["virtio_pci", "virtio_blk", "ahci", "sd_mod", "nvme", "ext4", "crc32c_generic"];

/**
 * Makes the golden system's root directory: Debian with a small init, a kernel
 * trimmed to a lab's hardware, a login on the serial console. It is a lab
 * image: root needs no password.
 *
 * @param root an empty directory of root's
 * @param rootUuid the UUID that the root file system will have
 */
export async function makeRoot(root: string, rootUuid: string, say: (text: string) => void): Promise<void> {
  const mirror = await debianMirror();
  say(`Debian ${suite} from ${mirror}`);
  const variant = ["--variant=minbase", `--include=${packages.join(",")}`];
  await command("debootstrap", [...variant, "--foreign", suite, root, mirror], { timeoutMs: 600_000 });
  say("unpacking and configuring it");
  // Written before the packages are unpacked: what is not wanted is then never written to the disk at all.
  await put(root, "etc/dpkg/dpkg.cfg.d/lab", dpkgSettings());
  await put(root, "etc/initramfs-tools/conf.d/lab", "MODULES=list\nBUSYBOX=n\nCOMPRESS=gzip\nFSTYPE=ext4\n");
  await put(root, "usr/share/initramfs-tools/modules.d/lab", `${bootModules.join("\n")}\n`);
  await put(root, "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755);
  await inside(root, "/debootstrap/debootstrap --second-stage");
  await configure(root, rootUuid);
  await cleanUp(root);
}

function dpkgSettings(): string {
  const excluded = ["doc", "info", "locale", "man", "lintian", "bug"].map(
    (name) => `path-exclude=/usr/share/${name}/*`,
  );
  const modules = modulePaths.map((path) => `path-include=/lib/modules/*/kernel/${path}`);
  return [...excluded, "path-exclude=/lib/modules/*/kernel/*", ...modules, "force-unsafe-io", ""].join("\n");
}

async function configure(root: string, rootUuid: string): Promise<void> {
  await put(root, "etc/hostname", `${hostName}\n`);
  await put(root, "etc/hosts", `127.0.0.1\tlocalhost\n127.0.1.1\t${hostName}\n::1\tlocalhost ip6-localhost\n`);
  await put(root, "etc/fstab", `UUID=${rootUuid} / ext4 errors=remount-ro 0 1\n`);
  // The identity that every clone of this disk would share, were it not changed.
  await put(root, "etc/machine-id", "60d1de00000000000000000000000001\n");
  const note = "A bootcast lab image: root logs in without a password. Use it nowhere else.";
  await put(root, "etc/issue", `Debian GNU/Linux 12 \\n \\l\n${note}\n`);
  await put(root, "etc/inittab", inittab);
  await put(root, "boot/grub/grub.cfg", grubMenu(rootUuid));
  // Nothing in a lab machine comes and goes while it runs; coldplug alone would cost seconds of every boot.
  await inside(root, "passwd -d root && update-rc.d udev remove");
}

const inittab = `id:2:initdefault:
si::sysinit:/etc/init.d/rcS
l0:0:wait:/etc/init.d/rc 0
l1:1:wait:/etc/init.d/rc 1
l2:2:wait:/etc/init.d/rc 2
l6:6:wait:/etc/init.d/rc 6
ca:12345:ctrlaltdel:/sbin/shutdown -t1 -a -r now
1:2:respawn:/sbin/getty 38400 tty1
T0:2:respawn:/sbin/getty -L ttyS0 115200 vt100
`;

function grubMenu(rootUuid: string): string {
  return `set timeout=0
menuentry "Debian GNU/Linux" {
  linux /vmlinuz root=UUID=${rootUuid} ro quiet console=tty0 console=ttyS0,115200
  initrd /initrd.img
}
`;
}

async function cleanUp(root: string): Promise<void> {
  for (const path of ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"]) {
    for (const name of await readdir(join(root, path))) await rm(join(root, path, name), { recursive: true });
  }
  for (const path of ["usr/sbin/policy-rc.d", "etc/resolv.conf", "var/log/bootstrap.log", "var/log/dpkg.log"]) {
    await rm(join(root, path), { force: true });
  }
}

async function put(root: string, path: string, text: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text, { mode });
}

/** Runs a shell line in the new system. What it mounts or leaves running ends with it. */
async function inside(root: string, line: string): Promise<void> {
  const own = ["--mount", "--pid", "--fork", "--kill-child", "chroot", root];
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive", HOME: "/root" };
  await command("unshare", [...own, "sh", "-c", line], { timeoutMs: 600_000, env });
}
