import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const init = join(import.meta.dirname, "../../../scripts/boot-image/init");

test("a machine starts again, also when the kernel waits for a disk for ever", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bootcast-restart-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const trigger = join(folder, "trigger");
  const [restart = ""] = /^restart\(\) \{\n.*?^\}$/ms.exec(readFileSync(init, "utf8")) ?? [];
  // This machine is to go on.
  const played = restart.replaceAll("/proc/sysrq-trigger", trigger);
  assert(played !== restart && !played.includes("/proc"), restart);
  const script = `
mkfifo ${trigger}
say() { echo "$*"; }
sync() { :; }
sleep() { :; }
reboot() { echo "reboot $*"; read -r key <${trigger}; echo "at once: $key"; }
${played}
restart "it ended"
wait`;
  const said = execFileSync("busybox", ["sh", "-c", script], { encoding: "utf8", timeout: 20_000 });
  assert.deepEqual(said.split("\n").slice(0, -1), ["it ended", "starting again in  s", "reboot -n -f", "at once: b"]);
});
