import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { labProblem, type Namespace, openNamespace, type RunResult } from "../../scripts/lab/namespace.ts";
import type { Finding } from "../../server/doctor/finding.ts";

/**
 * A machine of its own as far as setup can see: a copy of /etc, an empty /var/lib and /run, one network. What systemd
 * would do is done by a script that starts the unit's program as its user, with its capabilities and no others.
 */

const root = join(import.meta.dirname, "../..");
const problem = labProblem("network", { useradd: "passwd", setsid: "util-linux", nft: "nftables" });

describe("setup, on a machine that has nothing yet", { skip: problem ?? false, timeout: 240_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), "bootcast-lab-setup-"));
  /** The checkout where every user can read it, wherever it lies. */
  const checkout = join(home, "bootcast");
  let lab: Namespace;

  before(async () => {
    chmodSync(home, 0o755);
    mkdirSync(checkout);
    mkdirSync(join(home, "bin"));
    writeFileSync(join(home, "bin/systemctl"), systemctl, { mode: 0o755 });
    lab = await openNamespace();
    await lab.run("cp", ["--archive", "/etc", join(home, "etc")]);
    await lab.run("mount", ["--bind", join(home, "etc"), "/etc"]);
    await lab.run("mount", ["--bind", root, checkout]);
    for (const folder of ["/var/lib", "/run"]) await lab.run("mount", ["-t", "tmpfs", "tmpfs", folder]);
    await lab.run("mkdir", ["-p", "/run/systemd/system"]);
    await lab.run("rm", ["-f", "/etc/bootcast.toml", "/etc/systemd/system/bootcast.service"]);
    await lab.tryRun("userdel", ["bootcast"]);
    await lab.addBridge("br0", "10.69.0.1/24");
  });

  after(async () => {
    await lab?.close();
    rmSync(home, { recursive: true, force: true });
  });

  function bootcast(...words: string[]): Promise<RunResult> {
    const env = { PATH: `${join(home, "bin")}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: "/root", LAB_HOME: home };
    const program = [join(checkout, "cli/bootcast.cjs"), ...words, "--json"];
    return lab.tryRun(join(checkout, "node_modules/.bin/node"), program, { env, cwd: "/", timeoutMs: 60_000 });
  }

  async function done(...words: string[]) {
    const { stdout, stderr, exitCode } = await bootcast(...words);
    assert.equal(exitCode, 0, stderr);
    return JSON.parse(stdout);
  }

  const shell = async (line: string) => (await lab.run("sh", ["-c", line])).stdout.trim();

  test("it tells what it would do, and then does it: the server runs without root", async () => {
    const words = ["--no-boot-image", "--no-tune"];
    const would = await done("setup", "--dry-run", ...words);
    const names = (steps: { do: string }[]) => steps.map((step) => step.do);
    assert.deepEqual(names(would.steps), ["user", "write", "data", "write", "start"]);
    assert.equal(await shell("ls -A /var/lib"), "", "nothing was changed");

    const did = await done("setup", ...words);
    assert.deepEqual(names(did.steps), names(would.steps));
    assert.deepEqual(
      did.networks.map(({ name, address, dhcpServer }: Record<string, unknown>) => [name, address, dhcpServer]),
      [["br0", "10.69.0.1", null]],
    );
    assert.equal(did.running, true);
    assert.match(did.links[0], /^https:\/\/10\.69\.0\.1:8443\/setup\?once=\S+$/);

    const pid = await shell(`cat ${join(home, "pid")}`);
    const status = await shell(`cat /proc/${pid}/status`);
    const uid = Number(await shell("id -u bootcast"));
    assert(uid > 0);
    assert.match(status, new RegExp(`^Uid:\\t${uid}\\t${uid}\\t`, "m"));
    // CAP_NET_BIND_SERVICE (10) and CAP_NET_RAW (13).
    for (const name of ["CapEff", "CapPrm", "CapBnd"])
      assert.match(status, new RegExp(`^${name}:\\t0000000000002400$`, "m"));
    assert.equal(await shell("stat -c '%U %a' /var/lib/bootcast"), "bootcast 750");
    assert.equal(await shell("find /var/lib/bootcast ! -user bootcast"), "");
    const udp = await shell("cat /proc/net/udp");
    for (const port of ["0043", "0045", "0FAB"]) assert.match(udp, new RegExp(`:${port} `), `port 0x${port}`);
  });

  test("the doctor tells of a firewall with the command that opens it, and then of nothing but what was left out", async () => {
    const rules =
      "table inet filter {\nchain input {\ntype filter hook input priority 0; policy drop;\nudp dport 67 accept\n}\n}\n";
    await lab.run("nft", ["-f", "-"], { input: rules });
    const examine = async () => {
      const { stdout, exitCode } = await bootcast("doctor");
      assert.equal(exitCode, 1);
      return (JSON.parse(stdout) as { probes: Finding[] }).probes;
    };
    const failed = (probes: Finding[]) => probes.filter(({ status }) => status === "fail").map(({ probe }) => probe);
    const closed = await examine();
    assert.deepEqual(failed(closed).sort(), ["boot image", "firewall", "multicast br0"], JSON.stringify(closed));
    const firewall = closed.find(({ probe }) => probe === "firewall")!;
    assert.match(firewall.detail, /drops PXE \(4011\/udp\), TFTP \(69\/udp\), boot files \(8440\/tcp\)/);

    await shell(firewall.fix!.replaceAll("sudo ", ""));
    const open = await examine();
    assert.deepEqual(failed(open), ["boot image"], JSON.stringify(open));
    const statusOf = (wanted: string) => open.find(({ probe }) => probe === wanted)?.status;
    for (const probe of ["ports", "owner", "multicast br0", "lan group br0", "database", "firewall"]) {
      assert.equal(statusOf(probe), "ok", probe);
    }
    assert.equal(statusOf("log in"), "warn");
    await lab.run("nft", ["flush", "ruleset"]);
  });

  test("a second time there is nothing left to do, and a person's words stay", async () => {
    await shell("echo '# mine' >> /etc/bootcast.toml");
    const unit = await shell("cat /etc/systemd/system/bootcast.service");
    const again = await done("setup", "--no-boot-image", "--no-tune");
    assert.deepEqual(again.steps, [{ do: "start" }]);
    assert.equal(await shell("tail -1 /etc/bootcast.toml"), "# mine");
    assert.equal(await shell("cat /etc/systemd/system/bootcast.service"), unit);
  });

  test("it is taken back: unit and user go, what a person wrote and the data stay", async () => {
    const { removals, kept } = await done("uninstall");
    assert.deepEqual(
      removals.map((one: { do: string }) => one.do),
      ["stop", "remove", "data", "user"],
    );
    assert.deepEqual(kept, [
      "/etc/bootcast.toml (changed, or not made by setup)",
      "/var/lib/bootcast (images, keys, database)",
    ]);
    assert.equal(await shell("getent passwd bootcast || echo none"), "none");
    assert.equal(await shell("ls /etc/systemd/system/bootcast.service 2>/dev/null || echo none"), "none");
    assert.equal(await shell("stat -c %U /var/lib/bootcast/keys/site.key"), "root");
    const log = readFileSync(join(home, "log"), "utf8");
    assert.match(log, /"msg":"stopping"/, "the server was asked to end, and not killed");
    assert.deepEqual(await done("uninstall"), {
      dryRun: false,
      removals: [],
      kept: ["/etc/bootcast.toml (changed, or not made by setup)", "/var/lib/bootcast (images, keys, database)"],
    });
  });
});

/** As much of systemctl as setup and uninstall call. */
const systemctl = `#!/bin/sh
unit=/etc/systemd/system/bootcast.service
case "$1" in
start | restart)
  if [ -f "$LAB_HOME/pid" ]; then exit 0; fi
  set -- $(sed -n 's/^ExecStart=//p' "$unit")
  caps=-all,+net_bind_service,+net_raw
  cd /var/lib/bootcast
  setsid setpriv --reuid bootcast --regid bootcast --clear-groups --no-new-privs \\
    --inh-caps "$caps" --ambient-caps "$caps" --bounding-set "$caps" "$@" </dev/null >"$LAB_HOME/out" 2>"$LAB_HOME/log" &
  echo $! >"$LAB_HOME/pid"
  # Its first line is the one that says that it is ready.
  until [ -s "$LAB_HOME/out" ]; do
    kill -0 "$(cat "$LAB_HOME/pid")" || { cat "$LAB_HOME/log" >&2; exit 1; }
    sleep 0.1
  done ;;
show) cat "$LAB_HOME/pid" 2>/dev/null || echo 0 ;;
disable)
  pid=$(cat "$LAB_HOME/pid")
  kill "$pid"
  # Nobody takes note of its end here, so its entry stays.
  while grep -qs '^State:.[^ZX]' "/proc/$pid/status"; do sleep 0.1; done ;;
esac
`;
