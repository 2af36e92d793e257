import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "undici";
import type { Finding } from "../../../server/doctor/finding.ts";
import { bootcast, type Ended, ServerProcess } from "../program.ts";

type Line = Finding & { readonly area: string };

function linesOf({ stdout }: Ended): Line[] {
  return (JSON.parse(stdout) as { probes: Line[] }).probes;
}

test("doctor, beside a running server: the server looks at itself, and each problem has its remedy", async () => {
  const server = await ServerProcess.start();
  try {
    const ended = await server.run("doctor", "--json");
    assert.equal(ended.code, 1, "there is no boot image");
    const lines = linesOf(ended);
    assert.deepEqual(
      lines.filter(({ status }) => status === "fail").map(({ probe }) => probe),
      ["boot image"],
      ended.stdout,
    );
    const areas = lines.map(({ area }) => area);
    assert.deepEqual([...new Set(areas)], ["network", "speed", "store", "agent", "security"]);
    for (const { probe, status, fix } of lines) {
      assert.equal(fix !== undefined, status === "warn" || status === "fail", probe);
    }
    assert.match(lines.find(({ probe }) => probe === "ports")!.detail, /: ours\.$/);
    assert.match(lines.find(({ probe }) => probe === "log in")!.fix!, /bootcast user link/);
    // The same as a metric, and for people as lines.
    const api = new Client("http://bootcast", { socketPath: `${server.dataDir}/control.sock` });
    const { body } = await api.request({ method: "GET", path: "/metrics" });
    assert.match(await body.text(), /^bootcast_problems\{status="fail"\} 1$/m);
    await api.close();
    const text = await server.run("doctor");
    assert.match(text.stdout, /^fail {2}boot image +There is none: no machine can start\.\n {6}fix: sudo bootcast/m);
  } finally {
    await server.stop();
    server.remove();
  }
});

test("doctor, where no server runs: that is told first, and the machine is looked at all the same", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "bootcast-doctor-"));
  try {
    const env = { BOOTCAST_NETWORK_INTERFACES: "lo", BOOTCAST_NETWORK_DHCP: "off" };
    const ended = await bootcast(["doctor", "--json", "--data-dir", dataDir], env);
    assert.equal(ended.code, 1);
    const [first, ...rest] = linesOf(ended);
    assert.deepEqual([first!.probe, first!.status, first!.code], ["server", "fail", "SERVER_UNREACHABLE"]);
    assert.match(first!.fix!, /systemctl start bootcast/);
    assert(rest.some(({ probe, status }) => probe === "free space" && status !== "skip"));
    assert(!rest.some(({ probe }) => probe === "log in"), "only a server knows its users");
    const absent = await bootcast(["doctor", "--json", "--data-dir", join(dataDir, "absent")], env);
    const data = linesOf(absent).find(({ probe }) => probe === "data");
    assert.deepEqual([data?.status, data?.fix], ["fail", "sudo bootcast setup"]);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
