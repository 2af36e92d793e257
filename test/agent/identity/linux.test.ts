import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { applyChanges, describeChange, type Identity, type IdentityModule } from "../../../agent/identity/change.ts";
import { linuxHostname, renameInHosts } from "../../../agent/identity/linux-hostname.ts";
import { linuxMachineId } from "../../../agent/identity/linux-machine-id.ts";
import { linuxSshHostKeys } from "../../../agent/identity/linux-ssh-host-keys.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";

const identity: Identity = { hostName: "lab-07", mac: "52:54:00:12:34:56", hardwareUuids: [] };

/** A Linux root in a temporary directory; values that begin with "->" are links. */
function linuxRoot(t: { after(end: () => void): void }, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "bootcast-identity-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries({ "/etc/os-release": "ID=debian\n", ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (content.startsWith("->")) symlinkSync(content.slice(2), join(root, path));
    else writeFileSync(join(root, path), content);
  }
  return root;
}

async function carryOut(module: IdentityModule, root: string): Promise<string[]> {
  const volume = new VolumeFiles(root);
  const plan = await module.plan(volume, identity);
  assert(plan !== undefined);
  await applyChanges(volume, plan.changes);
  const second = await module.plan(volume, identity);
  assert.deepEqual(second?.changes, [], "a second run finds nothing to do");
  return plan.changes.map(describeChange);
}

test("the host name, and its line in /etc/hosts", async (t) => {
  const root = linuxRoot(t, {
    "/etc/hostname": "master\n",
    "/etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tmaster.example master\n\n::1 localhost\n",
  });
  await carryOut(linuxHostname, root);
  assert.equal(readFileSync(join(root, "etc/hostname"), "utf8"), "lab-07\n");
  assert.equal(
    readFileSync(join(root, "etc/hosts"), "utf8"),
    "127.0.0.1\tlocalhost\n127.0.1.1\tlab-07\n\n::1 localhost\n",
  );
  assert.equal(lstatSync(join(root, "etc/hostname")).mode & 0o777, 0o644);
});

test("an image without either file gets both", async (t) => {
  const root = linuxRoot(t, {});
  await carryOut(linuxHostname, root);
  assert.equal(readFileSync(join(root, "etc/hosts"), "utf8"), "127.0.0.1\tlocalhost\n127.0.1.1\tlab-07\n");
});

const hosts = [
  { name: "one line too many", from: "127.0.1.1 a\n127.0.1.1 b\n", to: "127.0.1.1\tlab-07\n" },
  {
    name: "the name at 127.0.0.1",
    from: "127.0.0.1 localhost old\n10.0.0.1 old\n",
    to: "127.0.0.1 localhost lab-07\n10.0.0.1 old\n",
  },
  { name: "no line for localhost", from: "10.0.0.1 x\n", to: "127.0.1.1\tlab-07\n10.0.0.1 x\n" },
  {
    name: "a name that only begins alike",
    from: "127.0.0.1 localhost older\n",
    to: "127.0.0.1 localhost older\n127.0.1.1\tlab-07\n",
  },
];
for (const { name, from, to } of hosts) {
  test(`/etc/hosts: ${name}`, () => {
    assert.equal(renameInHosts(from, "old", "lab-07"), to);
    assert.equal(renameInHosts(to, "lab-07", "lab-07"), to);
  });
}

test("/etc/hosts: a full name comes with its short one", () => {
  assert.equal(renameInHosts("", "", "pc.example.org"), "127.0.1.1\tpc.example.org pc\n");
});

test("/etc/hosts: any text keeps its other lines, and a second run changes nothing", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("127.0.0.1 localhost", "127.0.1.1 x", "# old", "", "::1 old", "10.1.1.1\told")),
      (lines) => {
        const once = renameInHosts(lines.join("\n"), "old", "new");
        assert.equal(renameInHosts(once, "new", "new"), once);
        for (const line of lines) if (!line.startsWith("127.")) assert(once.split("\n").includes(line));
      },
    ),
  );
});

test("machine-id is emptied and not deleted, D-Bus follows it, secrets of one machine go", async (t) => {
  const root = linuxRoot(t, {
    "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "/var/lib/dbus/machine-id": "0123456789abcdef0123456789abcdef\n",
    "/var/lib/systemd/random-seed": "seed",
    "/var/lib/systemd/credential.secret": "secret",
  });
  await carryOut(linuxMachineId, root);
  assert.equal(readFileSync(join(root, "etc/machine-id"), "utf8"), "");
  assert.equal(readlinkSync(join(root, "var/lib/dbus/machine-id")), "/etc/machine-id");
  assert.throws(() => lstatSync(join(root, "var/lib/systemd/random-seed")), { code: "ENOENT" });
  assert.throws(() => lstatSync(join(root, "var/lib/systemd/credential.secret")), { code: "ENOENT" });
});

test("a D-Bus id that is a link already stays, and an image without any id gets none", async (t) => {
  const linked = linuxRoot(t, { "/etc/machine-id": "", "/var/lib/dbus/machine-id": "->/etc/machine-id" });
  assert.deepEqual(await carryOut(linuxMachineId, linked), []);
  assert.deepEqual(await carryOut(linuxMachineId, linuxRoot(t, {})), []);
});

const keys = {
  "/etc/ssh/ssh_host_ed25519_key": "private",
  "/etc/ssh/ssh_host_ed25519_key.pub": "public",
  "/etc/ssh/ssh_host_rsa_key": "private",
  "/etc/ssh/ssh_config": "stays",
};

test("SSH host keys: Debian gets a unit that makes new ones at boot", async (t) => {
  const wants = "/etc/systemd/system/multi-user.target.wants";
  const root = linuxRoot(t, {
    ...keys,
    "/usr/bin/ssh-keygen": "",
    [`${wants}/ssh.service`]: "->/lib/systemd/system/ssh.service",
  });
  await carryOut(linuxSshHostKeys, root);
  for (const name of ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub", "ssh_host_rsa_key"]) {
    assert.throws(() => lstatSync(join(root, "etc/ssh", name)), { code: "ENOENT" });
  }
  assert.equal(readFileSync(join(root, "etc/ssh/ssh_config"), "utf8"), "stays");
  const link = readlinkSync(join(root, wants, "bootcast-ssh-host-keys.service"));
  const unit = readFileSync(join(root, link), "utf8");
  assert.match(unit, /^ExecStart=\/usr\/bin\/ssh-keygen -A$/m);
  assert.match(unit, /^Before=ssh\.service/m);
});

test("SSH host keys: a distribution that makes them itself gets nothing more", async (t) => {
  const root = linuxRoot(t, { ...keys, "/usr/lib/systemd/system/sshd-keygen@.service": "" });
  const changes = await carryOut(linuxSshHostKeys, root);
  assert.equal(changes.length, 3);
});

test("SSH host keys: where nothing can make new ones, a note says so", async (t) => {
  const root = linuxRoot(t, keys);
  const plan = await linuxSshHostKeys.plan(new VolumeFiles(root), identity);
  assert.equal(plan?.notes.length, 1);
  await carryOut(linuxSshHostKeys, root);
  assert.match(readFileSync(join(root, "etc/ssh/README.bootcast"), "utf8"), /ssh-keygen -A/);
});

test("a volume without a Linux system is none of these modules' business", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "bootcast-identity-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, "home"));
  for (const module of [linuxHostname, linuxMachineId, linuxSshHostKeys]) {
    assert.equal(await module.plan(new VolumeFiles(root), identity), undefined);
  }
});

test("planning writes nothing", async (t) => {
  const root = linuxRoot(t, { ...keys, "/etc/hostname": "master\n", "/etc/machine-id": "id\n" });
  for (const module of [linuxHostname, linuxMachineId, linuxSshHostKeys])
    await module.plan(new VolumeFiles(root), identity);
  assert.equal(readFileSync(join(root, "etc/hostname"), "utf8"), "master\n");
  assert.equal(readFileSync(join(root, "etc/machine-id"), "utf8"), "id\n");
  assert.equal(readFileSync(join(root, "etc/ssh/ssh_host_rsa_key"), "utf8"), "private");
});
