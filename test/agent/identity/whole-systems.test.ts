import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { planDisk } from "../../../agent/disk/plan-disk.ts";
import { describeChange, type Identity } from "../../../agent/identity/change.ts";
import { identityModules } from "../../../agent/identity/modules.ts";
import { tools } from "../../../agent/machine/tools.ts";
import { nameVolumes } from "../../../agent/volumes/name-volumes.ts";
import { emptyHive } from "./empty-hive.ts";
import { needsRoot, volumeOf } from "./loop-volume.ts";
import { writeFiles } from "./volume-root.ts";

const identity: Identity = {
  hostName: "lab-07",
  mac: "52:54:00:00:00:07",
  hardwareUuids: [],
  renewedUuids: new Map([["0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-000000000002"]]),
};

/** A Linux as it is after a year of use. @param fstab of its own */
function fillLinux(root: string, fstab = "UUID=0a1b2c3d-0000-4000-8000-000000000001 / auto defaults 0 1\n"): void {
  writeFiles(root, {
    "/usr/lib/os-release": "ID=debian\n",
    "/etc/hostname": "master\n",
    "/etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tmaster\n",
    "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "/etc/fstab": fstab,
    "/etc/ssh/ssh_host_ed25519_key": "secret",
    "/etc/ssh/ssh_host_ed25519_key.pub": "public",
    "/usr/lib/systemd/system/sshd-keygen.target": "x",
    "/etc/NetworkManager/system-connections/wired.nmconnection": "[ethernet]\nmac-address=00:11:22:33:44:55\n",
    "/etc/udev/rules.d/70-persistent-net.rules": "old",
    "/home/anna/file": "hers",
  });
  chownSync(join(root, "etc/hosts"), 12, 34);
  chmodSync(join(root, "etc/hosts"), 0o640);
  execFileSync("setfattr", ["-n", "user.origin", "-v", "master", join(root, "etc/hosts")]);
  utimesSync(join(root, "etc/hosts"), 1_000_000, 2_000_000);
}

function fillVar(root: string, at = "/var"): void {
  writeFiles(root, {
    [`${at}/lib/dbus/machine-id`]: "0123456789abcdef0123456789abcdef\n",
    [`${at}/lib/systemd/random-seed`]: "seed",
    [`${at}/lib/NetworkManager/secret_key`]: "key",
    [`${at}/lib/dhcp/dhclient.eth0.leases`]: "lease",
    [`${at}/lib/cloud/instances/i-1/user-data`]: "x",
  });
}

const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Names a volume, and proves that it did what the plan said, and finds nothing to do the second time. */
async function named({ file, volume, machine }: ReturnType<typeof volumeOf>) {
  const before = digest(file);
  const silent = { tools, log: pino({ level: "silent" }) };
  const [plan] = await planDisk(file, identityModules, identity, silent);
  assert.equal(digest(file), before, "planning only reads");
  const done: string[] = [];
  const log = pino(
    { level: "info" },
    { write: (line: string) => void done.push((JSON.parse(line) as { msg: string }).msg) },
  );
  const result = await nameVolumes([volume], identityModules, identity, { ...machine, log });
  assert.deepEqual(
    done,
    plan?.plans.flatMap(({ changes }) => changes.map(describeChange)),
    "the plan is what was done",
  );
  assert(result.changes > 0 && result.changes === done.length);
  assert.deepEqual(
    plan?.plans.map(({ module }) => module),
    result.modules,
  );
  assert.equal((await nameVolumes([volume], identityModules, identity, machine)).changes, 0, "a second time");
  return result;
}

/** Reads a volume again from a mount of its own. */
function look({ device, machine }: ReturnType<typeof volumeOf>, options: string, at: (root: string) => void): void {
  const root = join(machine.mountDirectory, "look");
  mkdirSync(root, { recursive: true });
  execFileSync("mount", ["-o", options, device, root]);
  try {
    at(root);
  } finally {
    execFileSync("umount", [root]);
  }
}

function assertNamed(root: string, variable = "var"): void {
  const text = (path: string) => readFileSync(join(root, path), "utf8");
  assert.equal(text("etc/hostname"), "lab-07\n");
  assert.equal(text("etc/hosts"), "127.0.0.1\tlocalhost\n127.0.1.1\tlab-07\n");
  assert.equal(text("etc/machine-id"), "");
  assert.match(text("etc/fstab"), /000000000002/);
  assert.equal(text("home/anna/file"), "hers");
  const gone = [
    "etc/ssh/ssh_host_ed25519_key",
    "etc/udev/rules.d/70-persistent-net.rules",
    `${variable}/lib/systemd/random-seed`,
    `${variable}/lib/NetworkManager/secret_key`,
    `${variable}/lib/dhcp/dhclient.eth0.leases`,
    `${variable}/lib/cloud/instances`,
  ];
  for (const path of gone) assert.throws(() => statSync(join(root, path)), { code: "ENOENT" }, path);
  const { uid, gid, mode, mtimeMs } = statSync(join(root, "etc/hosts"));
  assert.deepEqual([uid, gid, mode & 0o7777, mtimeMs], [12, 34, 0o640, 2_000_000_000]);
  const attribute = execFileSync("getfattr", [
    "-n",
    "user.origin",
    "--absolute-names",
    "--only-values",
    join(root, "etc/hosts"),
  ]);
  assert.equal(attribute.toString(), "master");
}

test("a whole Linux on ext4: the plan is what is done, once; e2fsck finds nothing wrong", {
  skip: needsRoot,
}, async (t) => {
  const made = volumeOf(t, "ext4", ["mkfs.ext4", "-q", "-F"], (root) => {
    fillLinux(root);
    fillVar(root);
  });
  await named(made);
  execFileSync("e2fsck", ["-f", "-n", made.device], { stdio: "ignore" });
  look(made, "ro", assertNamed);
});

test("a whole Linux on XFS; xfs_repair finds nothing wrong", { skip: needsRoot }, async (t) => {
  const fill = (root: string) => {
    fillLinux(root);
    fillVar(root);
  };
  const made = volumeOf(t, "xfs", ["mkfs.xfs", "-q", "-f"], fill, 320 << 20);
  await named(made);
  execFileSync("xfs_repair", ["-n", made.device], { stdio: "ignore" });
  look(made, "ro,nouuid", assertNamed);
});

const btrfs = ["mkfs.btrfs", "-q", "-f"] as const;
const subvolume = (root: string, name: string) =>
  execFileSync("btrfs", ["-q", "subvolume", "create", join(root, name)]);

test("a Linux in a Btrfs subvolume, with /var in another one, as Debian and Ubuntu have it", {
  skip: needsRoot,
}, async (t) => {
  const spec = "UUID=0a1b2c3d-0000-4000-8000-000000000001";
  const fill = (root: string) => {
    for (const name of ["@", "@var", "@home"]) subvolume(root, name);
    fillLinux(join(root, "@"), `${spec} / btrfs subvol=@ 0 0\n${spec} /var btrfs defaults,subvol=@var 0 0\n`);
    mkdirSync(join(root, "@/var"));
    fillVar(root, "/@var");
  };
  const made = volumeOf(t, "btrfs", btrfs, fill, 256 << 20);
  await named(made);
  execFileSync("btrfs", ["check", "--readonly", made.device], { stdio: "ignore" });
  look(made, "ro", (root) => assertNamed(join(root, "@"), "../@var"));
});

test("a Linux in the default Btrfs subvolume, and /var beside it, as openSUSE has it", {
  skip: needsRoot,
}, async (t) => {
  const spec = "UUID=0a1b2c3d-0000-4000-8000-000000000001";
  const fill = (root: string) => {
    subvolume(root, "@");
    mkdirSync(join(root, "@/.snapshots/1"), { recursive: true });
    for (const name of ["@/var", "@/.snapshots/1/snapshot"]) subvolume(root, name);
    const system = join(root, "@/.snapshots/1/snapshot");
    fillLinux(system, `${spec} / btrfs defaults 0 0\n${spec} /var btrfs subvol=/@/var 0 0\n`);
    mkdirSync(join(system, "var"));
    fillVar(root, "/@/var");
    const list = execFileSync("btrfs", ["subvolume", "list", root], { encoding: "utf8" });
    const id = /^ID (\d+) .*snapshot$/m.exec(list)![1]!;
    execFileSync("btrfs", ["subvolume", "set-default", id, root]);
  };
  const made = volumeOf(t, "btrfs", btrfs, fill, 256 << 20);
  const { systems } = await named(made);
  assert.deepEqual(systems, [made.volume]);
  execFileSync("btrfs", ["check", "--readonly", made.device], { stdio: "ignore" });
  look(made, "ro,subvolid=5", (root) => assertNamed(join(root, "@/.snapshots/1/snapshot"), "../../../var"));
});

test("a Windows on NTFS: names in its registry, drive letters, and a warning; ntfscat and hivex see it", {
  skip: needsRoot,
}, async (t) => {
  const make = ["mkntfs", "-F", "-q", "-p", "0", "-s", "512", "-H", "0", "-S", "0"] as const;
  const hive = windowsHive();
  const made = volumeOf(t, "ntfs", make, (root) =>
    writeFiles(root, {
      "/Windows/System32/config/SYSTEM": hive,
      "/Windows/System32/config/SOFTWARE": emptyHive(),
      "/Windows/Setup/State/State.ini": "[State]\r\nImageState=IMAGE_STATE_COMPLETE\r\n",
      "/Windows/Panther/unattend.xml": "<unattend/>",
      "/Users/anna/file": "hers",
    }),
  );
  const seen = (path: string) => execFileSync("ntfscat", [made.device, path], { maxBuffer: 1 << 24 });
  const software = seen("/Windows/System32/config/SOFTWARE");
  const { modules, notes } = await named(made);
  assert.deepEqual(modules, ["windows-registry", "windows-disk-ids"]);
  assert.match(notes.join(), /not generalised: all clones have its SID and MachineGuid/);
  assert.deepEqual(seen("/Windows/System32/config/SOFTWARE"), software);
  assert.equal(seen("/Users/anna/file").toString(), "hers");
  const path = join(made.machine.mountDirectory, "SYSTEM");
  mkdirSync(made.machine.mountDirectory, { recursive: true });
  writeFiles(made.machine.mountDirectory, { "/SYSTEM": seen("/Windows/System32/config/SYSTEM") });
  const get = (key: string) => execFileSync("hivexget", [path, key], { encoding: "utf8" });
  assert.match(get("\\ControlSet001\\Control\\ComputerName\\ComputerName"), /"LAB-07"/);
  // The GUID of the partition, as it lies on a disk.
  assert.match(get("\\MountedDevices"), /3d,2c,1b,0a,00,00,00,40,80,00,00,00,00,00,00,02/);
  execFileSync("ntfsfix", ["-n", made.device], { stdio: "ignore" });
});

/** A SYSTEM hive that hivex made. */
function windowsHive(): Buffer {
  const path = join(execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim(), "hive");
  try {
    writeFiles("/", { [path]: emptyHive() });
    const down = (...names: string[]) => names.flatMap((name) => [`add ${name}`, `cd ${name}`]);
    const letter = [...Buffer.from("DMIO:ID:"), ...[0x3d, 0x2c, 0x1b, 0x0a, 0, 0, 0, 0x40, 0x80, 0, 0, 0, 0, 0, 0, 1]];
    const script = [
      ...[
        ...down("ControlSet001", "Control", "ComputerName", "ComputerName"),
        "setval 1",
        "ComputerName",
        "string:MASTER",
      ],
      ...["cd \\", ...down("MountedDevices"), "setval 1", "\\DosDevices\\C:"],
      ...[`hex:3:${letter.map((byte) => byte.toString(16).padStart(2, "0")).join(",")}`, "commit"],
    ];
    writeFiles("/", { [`${path}.script`]: `${script.join("\n")}\n` });
    execFileSync("hivexsh", ["-w", "-f", `${path}.script`, path]);
    return readFileSync(path);
  } finally {
    execFileSync("rm", ["-rf", join(path, "..")]);
  }
}
