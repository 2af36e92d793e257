import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  apfsFirstBootJob,
  FIRST_BOOT_PATH,
  firstBootJob,
  firstBootScript,
} from "../../../agent/identity/first-boot-job.ts";
import { parsePropertyList } from "../../../images/property-list.ts";
import { volumeRoot, writeFiles } from "./volume-root.ts";

const OLD_UUID = "E3D2E3A9-0C8C-5D8A-2E7B-92C263FA9F9C";
const UUID = "2B12FE1B-1090-593B-B740-2E45F371D1E4";
const anna = "Users/anna/Library/Preferences/ByHost";

/** Runs the script in a root of its own, with the programs of a Mac in front of this machine's. */
function run(root: string, script: string, programs: Readonly<Record<string, string>>): number {
  const bin = join(root, "bin");
  mkdirSync(bin, { recursive: true });
  for (const [name, text] of Object.entries({ sleep: "exit 0", ...programs })) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  mkdirSync(join(root, "private/var/db"), { recursive: true });
  try {
    execFileSync("/bin/sh", ["-c", script], {
      env: { PATH: `${bin}:/usr/bin:/bin`, BOOTCAST_ROOT: root },
      stdio: ["ignore", "ignore", "pipe"],
    });
    return 0;
  } catch (error) {
    return (error as { status: number }).status;
  }
}

const ioreg = `echo '    "IOPlatformUUID" = "${UUID}"'`;

test("the job is one whole property list, and its shell takes it", () => {
  for (const job of [firstBootJob(["byhost"]), firstBootJob(["kerberos"]), apfsFirstBootJob()]) {
    const list = parsePropertyList(Buffer.from(job)) as {
      Label: string;
      RunAtLoad: boolean;
      ProgramArguments: string[];
    };
    assert.deepEqual([list.Label, list.RunAtLoad], ["org.bootcast.first-boot", true]);
    const [shell, option, script = ""] = list.ProgramArguments;
    assert.deepEqual([shell, option], ["/bin/sh", "-c"]);
    execFileSync("/bin/sh", ["-n", "-c", script]);
  }
});

test("by-host files get this Mac's id, the newer one counts, and the job is gone", (t) => {
  const root = volumeRoot(t, {
    [FIRST_BOOT_PATH]: "job",
    [`/${anna}/com.apple.dock.${OLD_UUID}.plist`]: "old dock",
    [`/${anna}/.GlobalPreferences.000d93aabbcc.plist`]: "global",
    [`/${anna}/com.apple.clock.${OLD_UUID}.plist`]: "newer clock",
    [`/${anna}/com.apple.clock.${UUID}.plist`]: "older clock",
    [`/${anna}/com.apple.keys.${OLD_UUID}.plist`]: "older keys",
    [`/${anna}/com.apple.keys.${UUID}.plist`]: "newer keys",
    [`/${anna}/com.example.abcdefabcdef.plist`]: "no id",
    [`/${anna}/com.apple.dock.${OLD_UUID}.plist.lockfile`]: "",
    [`/${anna}/plain.plist`]: "plain",
  });
  for (const [name, seconds] of [
    [`com.apple.clock.${OLD_UUID}.plist`, 2000],
    [`com.apple.clock.${UUID}.plist`, 1000],
    [`com.apple.keys.${OLD_UUID}.plist`, 1000],
    [`com.apple.keys.${UUID}.plist`, 2000],
  ] as const)
    utimesSync(join(root, anna, name), seconds, seconds);
  assert.equal(run(root, firstBootScript(["byhost"]), { ioreg }), 0);
  const now = Object.fromEntries(
    readdirSync(join(root, anna)).map((name) => [name, readFileSync(join(root, anna, name), "utf8")]),
  );
  assert.deepEqual(now, {
    [`com.apple.dock.${UUID}.plist`]: "old dock",
    [`.GlobalPreferences.${UUID}.plist`]: "global",
    [`com.apple.clock.${UUID}.plist`]: "newer clock",
    [`com.apple.clock.${UUID}.plist.bootcast-old`]: "older clock",
    [`com.apple.keys.${UUID}.plist`]: "newer keys",
    [`com.apple.keys.${OLD_UUID}.plist`]: "older keys",
    "com.example.abcdefabcdef.plist": "no id",
    "plain.plist": "plain",
  });
  assert.equal(existsSync(join(root, FIRST_BOOT_PATH)), false);
});

test("an id that was made of an Ethernet address is that address", (t) => {
  const root = volumeRoot(t, { [`/${anna}/com.apple.dock.${OLD_UUID}.plist`]: "dock" });
  const fromMac = `echo '"IOPlatformUUID" = "00000000-0000-1000-8000-001EC2A7F03D"'`;
  assert.equal(run(root, firstBootScript(["byhost"]), { ioreg: fromMac }), 0);
  assert.deepEqual(readdirSync(join(root, anna)), ["com.apple.dock.001ec2a7f03d.plist"]);
});

test("a Mac takes its name from the network, and gives up after three starts without one", (t) => {
  const root = volumeRoot(t, { [FIRST_BOOT_PATH]: "job" });
  const set = `[ "$1" = --set ] && echo "$3" > "${root}/$2"; [ "$1" = --get ] && cat "${root}/$2" 2>/dev/null; exit 0`;
  const ipconfig = `[ "$1 $2 $3" = "getoption en1 host_name" ] && echo mac_07.lab.example; exit 0`;
  assert.equal(run(root, firstBootScript(["names"]), { scutil: set, ipconfig }), 0);
  assert.equal(readFileSync(join(root, "ComputerName"), "utf8"), "mac-07\n");
  assert.equal(readFileSync(join(root, "LocalHostName"), "utf8"), "mac-07\n");
  assert.equal(existsSync(join(root, "HostName")), false, "it is left to the network");
  // Where the master had one, it is this Mac's now.
  writeFiles(root, { [FIRST_BOOT_PATH]: "job", "/HostName": "master.example\n" });
  assert.equal(run(root, firstBootScript(["names"]), { scutil: set, ipconfig }), 0);
  assert.equal(readFileSync(join(root, "HostName"), "utf8"), "mac_07.lab.example\n");
  writeFiles(root, { [FIRST_BOOT_PATH]: "job" });
  for (let start = 1; start <= 3; start += 1) {
    assert(existsSync(join(root, FIRST_BOOT_PATH)), `before start ${start}`);
    assert.equal(run(root, firstBootScript(["names"]), { scutil: set, ipconfig: "exit 0" }), 1);
  }
  assert.equal(existsSync(join(root, FIRST_BOOT_PATH)), false);
});
