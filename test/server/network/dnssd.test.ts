import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { labProblem, type Namespace, openNamespace } from "../../../scripts/lab/namespace.ts";
import { Lines } from "../dhcp/computers.ts";

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

/** Runs one side, whose lines are JSON. */
function start(args: readonly string[], netns?: string): Lines {
  return new Lines(lab.spawn(process.execPath, [part, ...args], netns === undefined ? {} : { netns }));
}

test("dns-sd: each network sees the server under its address there, and its end", { skip }, async () => {
  const server = start(["advertise", "8440", key, "7", "br0=10.77.0.1", "br1=10.88.0.1"]);
  const browsers = [
    { address: "10.77.0.1", browser: start(["browse", "10.77.0.20"], "client0") },
    { address: "10.88.0.1", browser: start(["browse", "10.88.0.20"], "client1") },
  ];
  for (const { address, browser } of browsers) {
    const { name, ...service } = JSON.parse(await browser.until('"event":"up"'));
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
  assert.equal(JSON.parse(await agent.until('"found"')).found, "http://10.77.0.1:8440/");

  server.write("stop\n");
  for (const { browser } of browsers) await browser.until('"event":"down"');
  assert.equal(await server.exited, 0);
  for (const { browser } of browsers) await browser.stop();
});

test("dns-sd: a single stream has a type of its own, and its name is found without the system's help", {
  skip,
}, async () => {
  const server = start(["stream", "7800", "10.77.0.1", "lab.debian:3", key]);
  // Nobody has this name: after a while it is left for whoever connects to say so.
  const nobody = start(["resolve", "nobody.local"], "client0");
  const browser = start(["browse", "10.77.0.20", "bootcast-stream"], "client0");
  assert.deepEqual(JSON.parse(await browser.until('"event":"up"')), {
    event: "up",
    name: "lab-debian-3 10-77-0-1 7800",
    port: 7800,
    host: "bootcast-10-77-0-1.local",
    addresses: ["10.77.0.1"],
    txt: { v: "1", key, image: "lab.debian:3" },
  });
  const resolver = start(["resolve", "Bootcast-10-77-0-1.local"], "client0");
  assert.equal(JSON.parse(await resolver.until('"resolved"')).resolved, "10.77.0.1");
  assert.equal(JSON.parse(await nobody.until('"resolved"')).resolved, "nobody.local");
  server.write("stop\n");
  await browser.until('"event":"down"');
  assert.equal(await server.exited, 0);
  await browser.stop();
});

const avahi = { "avahi-daemon": "avahi-daemon", "avahi-browse": "avahi-utils", "dbus-daemon": "dbus" };

test("dns-sd: avahi-browse resolves it", { skip: labProblem("network", avahi) ?? false }, async () => {
  const server = start(["advertise", "8440", key, "0", "br0=10.77.0.1"]);
  await server.until("dns-sd: advertised");
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
  server.write("stop\n");
  assert.equal(await server.exited, 0);
});

test("dns-sd: an interface without the address is logged, the other one works", { skip }, async () => {
  const server = start(["advertise", "8440", key, "0", "eth9=10.99.0.1", "br0=10.77.0.1"]);
  await server.until('"address":"10.99.0.1"', '"level":40');
  await server.until("dns-sd: advertised");
  server.write("stop\n");
  assert.equal(await server.exited, 0);
});

test("dns-sd: a taken port 5353 is logged and ends nothing", { skip }, async () => {
  const other = start(["occupy"]);
  await other.until("occupied");
  const server = start(["advertise", "8440", key, "0", "br0=10.77.0.1"]);
  assert.match(JSON.stringify(JSON.parse(await server.until('"level":40')).err), /EADDRINUSE/);
  server.write("stop\n");
  await server.until("stopped");
  assert.equal(await server.exited, 0);
  other.end();
});
