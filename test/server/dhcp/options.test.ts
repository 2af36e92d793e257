import assert from "node:assert/strict";
import { test } from "node:test";
import { dhcpOptionNames, dhcpOptions } from "../../../server/dhcp/options.ts";

const one = (name: string, value: Parameters<typeof dhcpOptions>[0][string]) => {
  const [option] = dhcpOptions({ [name]: value });
  return [option?.code, Buffer.from(option?.data ?? []).toString("hex")];
};

test("every type of option becomes its bytes", () => {
  assert.deepEqual(one("netmask", "255.255.0.0"), [1, "ffff0000"]);
  assert.deepEqual(one("ntpServer", ["10.0.0.1", "10.0.0.2"]), [42, "0a0000010a000002"]);
  assert.deepEqual(one("ntpServer", "10.0.0.1"), [42, "0a000001"]);
  assert.deepEqual(one("domainName", "lab"), [15, "6c6162"]);
  assert.deepEqual(one("trailerEncapsulation", true), [34, "01"]);
  assert.deepEqual(one("datagramTTL", 64), [23, "40"]);
  assert.deepEqual(one("ipForwarding", "Enabled"), [19, "01"]);
  assert.deepEqual(one("ipForwarding", false), [19, "00"]);
  assert.deepEqual(one("nbNodeType", "H-node"), [46, "08"]);
  assert.deepEqual(one("mtuInterface", 1500), [26, "05dc"]);
  assert.deepEqual(one("mtuSizes", [68, 1500]), [25, "004405dc"]);
  assert.deepEqual(one("arpCacheTimeout", 4294967295), [35, "ffffffff"]);
  assert.deepEqual(one("timeOffset", -3600), [2, "fffff1f0"]);
});

test("wrong values, unknown names and options that are ours are refused with a reason", () => {
  const refused = (name: string, value: Parameters<typeof one>[1], code: string) =>
    assert.throws(() => one(name, value), { code });
  refused("netmask", "255.255.0.256", "DHCP_OPTION_VALUE");
  refused("ntpServer", [], "DHCP_OPTION_VALUE");
  refused("ntpServer", ["10.0.0.1", 5], "DHCP_OPTION_VALUE");
  refused("domainName", 5, "DHCP_OPTION_VALUE");
  refused("domainName", "", "DHCP_OPTION_VALUE");
  refused("datagramTTL", 256, "DHCP_OPTION_VALUE");
  refused("datagramTTL", 1.5, "DHCP_OPTION_VALUE");
  refused("mtuInterface", -1, "DHCP_OPTION_VALUE");
  refused("timeOffset", 2 ** 31, "DHCP_OPTION_VALUE");
  refused("trailerEncapsulation", "yes", "DHCP_OPTION_VALUE");
  refused("ipForwarding", "Perhaps", "DHCP_OPTION_VALUE");
  refused("leaseTime", 600, "DHCP_OPTION_RESERVED");
  refused("bootFile", "x", "DHCP_OPTION_RESERVED");
  refused("vendor", [1], "DHCP_OPTION_RESERVED");
  refused("server", "10.0.0.1", "DHCP_OPTION_RESERVED");
  refused("randomIP", true, "DHCP_OPTION_UNKNOWN");
  assert.throws(() => one("domainname", "lab"), { code: "DHCP_OPTION_UNKNOWN", fix: /domainName/ });
});

test("the names are those of the option table", () => {
  const names = dhcpOptionNames();
  assert(names.includes("router") && names.includes("dns") && names.includes("wpad"));
  assert(!names.includes("leaseTime") && !names.includes("static"));
});
