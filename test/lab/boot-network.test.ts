import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ConsoleText } from "../../scripts/lab/console.ts";
import { type LabProcess, labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import { closedPort } from "./closed-port.ts";

/**
 * What /init does to get an address, run by busybox with a real card of a network of our own: DHCP, a fixed address, and
 * a port that opens only after 802.1X (VLANs are in boot-image.test.ts, because not every kernel has them). The machine's own /etc and /run are hidden from it.
 */
describe("the boot image's network", { skip: labProblem() ?? false }, () => {
  const scripts = join(import.meta.dirname, "../../scripts/boot-image");
  let folder: string;
  let namespace: Namespace;
  let router: LabProcess;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "bootcast-boot-network-"));
    namespace = await openNamespace();
    await namespace.addBridge("br0");
    await namespace.addNetns("client", "192.0.2.1/32", "br0");
    await namespace.run("ip", ["address", "add", "10.10.0.1/24", "dev", "br0"]);
    router = namespace.spawn("dnsmasq", [
      ...["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--port=0", "--no-ping"],
      ...["--interface=br0", "--bind-interfaces", "--dhcp-range=10.10.0.100,10.10.0.150", "--log-facility=-"],
      ...["--dhcp-authoritative", `--dhcp-leasefile=${join(folder, "leases")}`],
    ]);
    await said(router, "dnsmasq").waitFor(/DHCP, IP range/, { deadlineMs: 10_000, what: "dnsmasq", from: 0 });
  });
  after(async () => {
    await namespace.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs it as /init would with this command line. */
  async function bringUp(
    commandLine: string,
    credentials?: string,
  ): Promise<{ text: string; left: Map<string, string> }> {
    if (credentials !== undefined) await writeFile(join(folder, "802.1x.conf"), credentials);
    const inside = `
set -e
mount -t tmpfs tmpfs /etc
mount -t tmpfs tmpfs /run
mkdir -p /etc/bootcast /run/bootcast /run/busybox
busybox --install -s /run/busybox
cp ${scripts}/network ${scripts}/lease /etc/bootcast
chmod 755 /etc/bootcast/lease
${credentials === undefined ? "" : `cp ${folder}/802.1x.conf /etc/bootcast`}
set +e
PATH=/run/busybox:$PATH
ip -4 addr flush dev eth0
say() { echo "bootcast: $*"; }
uptime_seconds() { echo 1; }
. /etc/bootcast/network
PORT_PATIENCE=10
read_network_arguments "$1"
bring_up_card eth0
echo "status=$?"
echo "waiting=$waiting"
echo "refused=$refused"
cat /run/bootcast/network
echo "resolver=$(cat /etc/resolv.conf)"
echo "default=$(ip route show default)"
cat /run/bootcast/*.pid 2>/dev/null | xargs kill 2>/dev/null
`;
    const args = ["--mount", "busybox", "sh", "-c", inside, "sh", commandLine];
    const { stdout, stderr } = await namespace.tryRun("unshare", args, { netns: "client", timeoutMs: 60_000 });
    const left = stdout.split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]);
    return { text: stdout + stderr, left: new Map(left) };
  }

  const words = "ip=10.20.0.5::10.20.0.1:255.255.255.0:lab-07:eth0::10.20.0.2:10.20.0.3";

  test("an address by DHCP, even where there is another on the command line", async () => {
    const { text, left } = await bringUp(`quiet ${words}`);
    assert.equal(left.get("status"), "0", text);
    assert.equal(left.get("interface"), "eth0", text);
    assert.match(left.get("address") ?? "", /^10\.10\.0\.1\d\d$/, text);
    assert.match(left.get("default") ?? "", /^default via 10\.10\.0\.1 /, text);
  });

  test("the fixed address when DHCP fails", { timeout: 60_000 }, async () => {
    await router.stop();
    const { text, left } = await bringUp(words);
    assert.match(text, /taking the address of the kernel's command line, 10\.20\.0\.5, on eth0/);
    const expected = { status: "0", interface: "eth0", address: "10.20.0.5", prefix: "24", host_name: "lab-07" };
    for (const [name, value] of Object.entries(expected)) assert.equal(left.get(name), value, text);
    assert.match(left.get("default") ?? "", /^default via 10\.20\.0\.1 /, text);
    assert.match(text, /nameserver 10\.20\.0\.2\nnameserver 10\.20\.0\.3/);
  });

  test("a fixed address without DHCP, for one card", async () => {
    const { text, left } = await bringUp("ip=10.30.0.5::10.30.0.1:255.255.0.0:::off");
    assert.doesNotMatch(text, /asking for an address/);
    assert.deepEqual(
      [left.get("address"), left.get("prefix"), left.get("interface")],
      ["10.30.0.5", "16", "eth0"],
      text,
    );
    const other = await bringUp("ip=10.30.0.5::10.30.0.1:255.255.0.0::eth1:off");
    assert.equal(other.left.get("status"), "1");
    assert.equal(other.left.get("waiting"), "the fixed address is for eth1, not for eth0");
  });

  test("a port that asks who is there: the right credentials open it, wrong ones are said", {
    timeout: 60_000,
  }, async () => {
    const { authenticator, log, credentials } = await closedPort(namespace, "client", folder);
    const right = await bringUp("ip=10.40.0.5:::255.255.255.0:::off", credentials("secret"));
    assert.match(right.text, /802\.1X: the port is open/);
    assert.equal(right.left.get("address"), "10.40.0.5", right.text);
    assert.match(log.text, /CTRL-EVENT-EAP-SUCCESS|authenticated - EAP type: 25 \(PEAP\)/);
    // A switch is deaf for a minute after a failure, so this comes last.
    const wrong = await bringUp("ip=10.40.0.5:::255.255.255.0:::off", credentials("guess"));
    assert.match(wrong.text, /802\.1X: .*CTRL-EVENT-EAP-FAILURE.*; going on/);
    assert.match(wrong.left.get("refused") ?? "", /EAP authentication failed/);
    assert.equal(right.left.get("refused"), "", right.text);
    await authenticator.stop();
  });
});

function said(process: LabProcess, name: string): ConsoleText {
  const text = new ConsoleText(name);
  process.stdout.on("data", (bytes: Buffer) => text.append(bytes));
  process.stderr.on("data", (bytes: Buffer) => text.append(bytes));
  return text;
}
