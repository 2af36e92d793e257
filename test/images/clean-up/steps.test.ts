import assert from "node:assert/strict";
import { test } from "node:test";
import { hiddenList, readsHiddenList } from "../../../images/clean-up/invisible-items.ts";
import type { CleanUpEntry } from "../../../images/clean-up/step.ts";
import { cleanUpSteps, stepsWithout } from "../../../images/clean-up/steps.ts";

/** Step and action, as the first step that wants the entry decides; "stays" when none does. */
function decided(path: string, kind: CleanUpEntry["kind"] = "file", isOnMac = false): string {
  for (const step of cleanUpSteps) {
    const action = step.on({ path, kind, isOnMac });
    if (action !== undefined) return `${step.name}: ${action}`;
  }
  return "stays";
}

const table: Readonly<Record<string, readonly string[]>> = {
  "rotated-logs: remove": [
    "var/log/syslog.1",
    "var/log/apt/history.log.2.gz",
    "var/log/messages-20240131",
    "var/log/messages-20240131.xz",
    "var/log/Xorg.0.log.old",
    "private/var/log/system.log.0.bz2",
    "Library/Logs/panic.log.1",
    "Users/ann/Library/Logs/x.log.old",
    "var/log/journal/0123456789abcdef0123456789abcdef/system@0005f0-00000001-0005.journal",
  ],
  "caches: remove": [
    "var/cache/apt/archives/bash_5.deb",
    "home/ann/.cache/thumbnails/a.png",
    "root/.cache/x",
    "Library/Caches/com.apple.x/y",
    "Users/ann/Library/Caches/z",
  ],
  "ssh-host-keys: remove": [
    "etc/ssh/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_ed25519_key.pub",
    "etc/ssh/ssh_host_rsa_key",
    "private/etc/ssh_host_key",
  ],
  "machine-id: empty": ["etc/machine-id"],
  "machine-id: remove": ["var/lib/dbus/machine-id"],
  "random-seed: remove": ["var/lib/systemd/random-seed", "var/lib/systemd/credential.secret"],
  "trash: remove": [
    "home/ann/.local/share/Trash/files/letter.odt",
    ".Trash-1000/files/a",
    ".Trash/1000/info/a",
    "Users/ann/.Trash/b",
    ".Trashes/501",
  ],
  "temporary-files: remove": ["tmp/x", "var/tmp/y", "private/tmp/z"],
  stays: [
    "var/log/syslog",
    "var/log/journal/0123456789abcdef0123456789abcdef/system.journal",
    "home/ann/letter.1",
    "home/ann/notes.gz",
    "srv/var/log/syslog.1",
    "var/cache/debconf/config.dat",
    "var/cache/cracklib/cracklib_dict.pwd",
    "etc/ssh/sshd_config",
    "etc/ssh/ssh_config",
    "home/ann/.ssh/id_ed25519",
    "home/ann/etc/machine-id",
    "home/ann/.cachefile",
    "home/ann/tmp/x",
    "usr/share/doc/tmp/x",
  ],
};

for (const [expected, paths] of Object.entries(table)) {
  for (const path of paths) test(`clean-up: ${path}: ${expected}`, () => assert.equal(decided(path), expected));
}

test("clean-up: folders of logs and caches stay, and a link is not emptied", () => {
  assert.equal(decided("var/cache/apt/archives", "folder"), "stays");
  assert.equal(decided("home/ann/.cache/thumbnails", "folder"), "stays");
  assert.equal(decided("var/log/old.1", "folder"), "stays");
  assert.equal(decided("etc/machine-id", "link"), "stays");
  assert.equal(decided("var/lib/dbus/machine-id", "link"), "stays");
  assert.equal(decided("tmp", "folder"), "stays");
});

test("clean-up: a step is left out by its name, and a wrong name is refused with all that there are", () => {
  const { steps, hasTagFile } = stepsWithout(["caches", "tag-file"]);
  assert.deepEqual([steps.length, hasTagFile], [cleanUpSteps.length - 1, false]);
  assert(!steps.some(({ name }) => name === "caches"));
  assert.equal(stepsWithout([]).hasTagFile, true);
  assert.throws(() => stepsWithout(["cache"]), { code: "CLEAN_UP_UNKNOWN", why: /rotated-logs, caches,.* tag-file/ });
});

test("clean-up: the inner folders of Mac OS X are hidden, in the root and on a Mac's volume only", () => {
  assert.equal(decided("etc", "link", true), "invisible-items: hide");
  assert.equal(decided("private", "folder", true), "invisible-items: hide");
  assert.equal(decided("Desktop DB", "file", true), "invisible-items: hide");
  assert.equal(decided("etc", "link"), "stays");
  assert.equal(decided("Users/ann/bin", "folder", true), "stays");
  assert.equal(decided("Applications", "folder", true), "stays");
});

test("clean-up: the list of hidden items is for Mac OS X up to 10.4", () => {
  const plist = (version: string) => `<key>ProductVersion</key>\n\t<string>${version}</string>`;
  assert.deepEqual(
    ["10.2.8", "10.4.11", "10.5", "10.15.7", "11.2"].map((version) => readsHiddenList(plist(version))),
    [true, true, false, false, false],
  );
  assert.equal(readsHiddenList("bplist00"), false);
  assert.match(hiddenList(), /^bin\ncores\n.*sw\n$/s);
});
