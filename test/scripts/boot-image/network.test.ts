import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const network = join(import.meta.dirname, "../../../scripts/boot-image/network");

/** What /init makes of a kernel's command line, with the shell that the boot image has. */
function read(commandLine: string): Record<string, string> {
  const names = ["bootif", "vlan", "fixed_address", "fixed_router", "fixed_mask", "fixed_name", "fixed_card"];
  names.push("fixed_way", "fixed_dns1", "fixed_dns2");
  const show = names.map((name) => `echo "${name}=$${name}"`).join("\n");
  const text = `. ${network}\nread_network_arguments "$1"\n${show}`;
  const said = execFileSync("busybox", ["sh", "-c", text, "sh", commandLine], { encoding: "utf8" });
  const pairs = said
    .trim()
    .split("\n")
    .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]);
  return Object.fromEntries(pairs.filter(([, value]) => value !== ""));
}

test("the card that booted, in every way that loaders write it", () => {
  for (const word of ["01-52-54-00-BC-00-01", "52:54:00:bc:00:01", "01:52:54:00:bc:00:01", "52-54-00-bc-00-01"]) {
    assert.deepEqual(read(`quiet BOOTIF=${word} console=tty0`), { bootif: "52:54:00:bc:00:01" });
  }
  assert.deepEqual(read("console=tty0 xBOOTIF=01-52-54-00-bc-00-01"), {});
});

test("a VLAN is a number", () => {
  assert.deepEqual(read("bootcast.vlan=10"), { vlan: "10" });
  assert.deepEqual(read("bootcast.vlan=10 bootcast.vlan=20"), { vlan: "20" });
  for (const word of ["bootcast.vlan=", "bootcast.vlan=x", "bootcast.vlan=1;reboot", "bootcast.vlan=-1"]) {
    assert.deepEqual(read(word), {});
  }
});

test("a fixed address as Linux writes it", () => {
  assert.deepEqual(read("ip=10.0.1.50::10.0.1.1:255.255.255.0:lab-07:eth0:off:10.0.1.2:10.0.1.3"), {
    fixed_address: "10.0.1.50",
    fixed_router: "10.0.1.1",
    fixed_mask: "255.255.255.0",
    fixed_name: "lab-07",
    fixed_card: "eth0",
    fixed_way: "off",
    fixed_dns1: "10.0.1.2",
    fixed_dns2: "10.0.1.3",
  });
  // Without a mask the class decides, as in the kernel.
  for (const [address, mask] of [
    ["9.0.1.50", "255.0.0.0"],
    ["10.0.1.50", "255.0.0.0"],
    ["126.0.0.1", "255.0.0.0"],
    ["128.0.0.1", "255.255.0.0"],
    ["172.16.0.5", "255.255.0.0"],
    ["191.255.0.1", "255.255.0.0"],
    ["192.168.1.5", "255.255.255.0"],
  ]) {
    assert.deepEqual(read(`ip=${address}:::`), { fixed_address: address, fixed_mask: mask });
  }
});

test("an address that is none is not taken", () => {
  assert.deepEqual(read("ip=dhcp"), {});
  assert.deepEqual(read("ip=off"), {});
  assert.deepEqual(read(":::::eth0:dhcp"), {});
  assert.deepEqual(read("ip=:::::eth0:dhcp"), { fixed_card: "eth0", fixed_way: "dhcp" });
  assert.equal(read("ip=$(reboot)::::::").fixed_address, undefined);
  assert.equal(read("ip=[2001:db8::1]::::::").fixed_address, undefined);
});

test("/init and what it reads are correct for the shell of the boot image", () => {
  for (const name of ["init", "network", "lease"]) {
    execFileSync("busybox", ["sh", "-n", join(network, "..", name)]);
  }
});
