import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type LabProcess, labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";

const part = fileURLToPath(new URL("dnssd-part.ts", import.meta.url));
const skip = labProblem() ?? false;
const key = "SHA256:0a1b2c3d";
let lab: Namespace;

before(async () => {
  if (skip !== false) return;
  lab = await openNamespace();
  // Two networks, one server in both, one client in each.
  await lab.addBridge("br0", "10.77.0.1/24");
  await lab.addBridge("br1", "10.88.0.1/24");
  await lab.addNetns("client0", "10.77.0.20/24", "br0");
  await lab.addNetns("client1", "10.88.0.20/24", "br1");
});

after(async () => {
  if (skip === false) await lab.close();
});

type Line = Record<string, unknown>;

/** Runs one side, and hands out the JSON lines that it prints. */
function start(
  args: readonly string[],
  netns?: string,
): LabProcess & { line(matches: (line: Line) => boolean): Promise<Line> } {
  const running = lab.spawn(process.execPath, [part, ...args], netns === undefined ? {} : { netns });
  const seen: Line[] = [];
  let wake = () => {};
  let errors = "";
  running.stderr.on("data", (bytes) => {
    errors += String(bytes);
  });
  createInterface({ input: running.stdout }).on("line", (text) => {
    seen.push(JSON.parse(text));
    wake();
  });
  return Object.assign(running, {
    async line(matches: (line: Line) => boolean): Promise<Line> {
      const late = AbortSignal.timeout(15_000);
      for (let at = 0; ; ) {
        for (; at < seen.length; at += 1) if (matches(seen[at]!)) return seen[at]!;
        await new Promise<void>((resolve, reject) => {
          wake = resolve;
          late.onabort = () =>
            reject(new Error(`${args[0]} did not say it; it said ${JSON.stringify(seen)} ${errors}`));
        });
      }
    },
  });
}

const advertised = (line: Line) => line["msg"] === "dns-sd: advertised";

test("dns-sd: each network sees the server under its address there, and its end", { skip }, async () => {
  const server = start(["advertise", "8440", key, "7", "br0=10.77.0.1", "br1=10.88.0.1"]);
  const browsers = [
    { address: "10.77.0.1", browser: start(["browse", "10.77.0.20"], "client0") },
    { address: "10.88.0.1", browser: start(["browse", "10.88.0.20"], "client1") },
  ];
  for (const { address, browser } of browsers) {
    const { name, ...service } = await browser.line((line) => line["event"] === "up");
    assert.match(String(name), new RegExp(`^bootcast \\S+ ${address.replaceAll(".", "-")}$`));
    assert.deepEqual(service, {
      event: "up",
      port: 8440,
      host: `bootcast-${address.replaceAll(".", "-")}.local`,
      addresses: [address],
      txt: { v: "1", key, priority: "7" },
    });
  }
  const agent = start(["find", "10.77.0.20", key], "client0");
  assert.equal((await agent.line((line) => "found" in line))["found"], "http://10.77.0.1:8440/");

  server.stdin.write("stop\n");
  for (const { browser } of browsers) await browser.line((line) => line["event"] === "down");
  assert.equal((await server.exited).exitCode, 0);
  for (const { browser } of browsers) await browser.stop(0);
});

const avahi = ["/usr/sbin/avahi-daemon", "/usr/bin/avahi-browse", "/usr/bin/dbus-daemon"].find(
  (path) => !isThere(path),
);
const skipAvahi = skip !== false ? skip : avahi !== undefined && `${avahi} is not installed`;

test("dns-sd: avahi-browse resolves it", { skip: skipAvahi }, async () => {
  const server = start(["advertise", "8440", key, "0", "br0=10.77.0.1"]);
  await server.line(advertised);
  // A message bus and an avahi of their own: /run is private to this command.
  const script = `
    set -e
    mount -t tmpfs tmpfs /run
    mkdir /run/dbus
    dbus-daemon --system --nofork --nopidfile >/dev/null 2>&1 &
    until [ -S /run/dbus/system_bus_socket ]; do read -t 0.1 _ </dev/zero || true; done
    printf '[server]\\nuse-ipv6=no\\n' >/run/avahi.conf
    avahi-daemon -f /run/avahi.conf --no-drop-root --no-chroot --no-rlimits >/dev/null 2>&1 &
    until [ -S /run/avahi-daemon/socket ]; do read -t 0.1 _ </dev/zero || true; done
    while read -r line; do
      echo "$line"
      case "$line" in "="*) exit 0;; esac
    done < <(timeout 15 avahi-browse --parsable --resolve _bootcast._tcp 2>/dev/null)
  `;
  const { stdout } = await lab.tryRun("unshare", ["--mount", "bash", "-c", script], { netns: "client0" });
  const resolved = stdout.split("\n").find((line) => line.startsWith("="));
  assert(resolved !== undefined, stdout);
  const [, , protocol, , type, domain, host, address, port, txt] = resolved.split(";");
  assert.deepEqual(
    { protocol, type, domain, host, address, port },
    {
      protocol: "IPv4",
      type: "_bootcast._tcp",
      domain: "local",
      host: "bootcast-10-77-0-1.local",
      address: "10.77.0.1",
      port: "8440",
    },
  );
  for (const record of ["v=1", `key=${key}`, "priority=0"]) assert(txt?.includes(`"${record}"`), txt);
  server.stdin.write("stop\n");
  assert.equal((await server.exited).exitCode, 0);
});

test("dns-sd: an interface without the address is logged, the other one works", { skip }, async () => {
  const server = start(["advertise", "8440", key, "0", "eth9=10.99.0.1", "br0=10.77.0.1"]);
  await server.line((line) => line["address"] === "10.99.0.1" && line["level"] === 40);
  await server.line(advertised);
  server.stdin.write("stop\n");
  assert.equal((await server.exited).exitCode, 0);
});

test("dns-sd: a taken port 5353 is logged and ends nothing", { skip }, async () => {
  const other = start(["occupy"]);
  await other.line((line) => line["msg"] === "occupied");
  const server = start(["advertise", "8440", key, "0", "br0=10.77.0.1"]);
  const line = await server.line((line) => line["level"] === 40);
  assert.match(JSON.stringify(line["err"]), /EADDRINUSE/);
  server.stdin.write("stop\n");
  await server.line((said) => said["msg"] === "stopped");
  assert.equal((await server.exited).exitCode, 0);
  other.stdin.end();
});

function isThere(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
