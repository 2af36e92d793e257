import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { addressNumber } from "../../bsdp/address.ts";
import { decodeDhcpPacket, encodeDhcpPacket, optionAddress, optionData } from "../../bsdp/dhcp-packet.ts";
import { byteOption, MessageType, Option } from "../../bsdp/dhcp-values.ts";
import { labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import { bytesOf, hexOf, vectorNamed } from "../bsdp/packet-vectors.ts";
import { Computer, type Lines } from "../server/dhcp/computers.ts";

/**
 * `bootcast serve` and the DHCP programs of others: clients that get, renew and give back addresses, relays between
 * two networks, and a DHCP server that is there already.
 *
 *     br0 10.77.0.0/24: server (eth0), pc, other, relay (eth0)      br1 10.88.0.0/24: server (eth1), lab
 *     br2 10.99.0.0/24: relay (eth1), far                           br3 10.66.0.0/24: server (eth2, later), late
 */
const programs = {
  dhclient: "isc-dhcp-client",
  dhcrelay: "isc-dhcp-relay",
  dnsmasq: "dnsmasq-base",
  udhcpc: "udhcpc",
};
const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const replay = new URL("../server/dhcp/dhcp-replay.ts", import.meta.url);
const SERVER = "10.77.0.1";
const RELAY = "10.99.0.1";
const OTHER = "10.77.0.3";

type Received = { readonly hex: string; readonly address: string; readonly port: number; readonly on: number };

describe("DHCP among others", { skip: labProblem("network", programs) ?? false }, () => {
  let network: Namespace;
  let work: string;
  let dataDir: string;
  let server: Computer;
  let pc: Computer;
  let other: Computer;
  let lab: Computer;
  let relay: Computer;
  let far: Computer;
  let late: Computer;
  let serving: Lines | undefined;
  const foreign: Lines[] = [];

  before(async () => {
    work = mkdtempSync(join(tmpdir(), "bootcast-dhcp-"));
    dataDir = join(work, "data");
    for (const name of ["undionly.kpxe", "x64/snponly.efi", "vmlinuz"]) {
      const path = join(dataDir, "boot", name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `this is ${name}`);
    }
    network = await openNamespace();
    const computer = async (name: string, address: string, bridge: string) => {
      await network.addNetns(name, address, bridge);
      return new Computer(network, name);
    };
    for (const bridge of ["br0", "br1", "br2", "br3"]) await network.addBridge(bridge);
    server = await computer("server", `${SERVER}/24`, "br0");
    await secondCard("server", "eth1", "10.88.0.1/24", "br1");
    pc = await computer("pc", "192.0.2.2/24", "br0");
    other = await computer("other", `${OTHER}/24`, "br0");
    lab = await computer("lab", "192.0.2.3/24", "br1");
    relay = await computer("relay", "10.77.0.9/24", "br0");
    await secondCard("relay", "eth1", `${RELAY}/24`, "br2");
    await relay.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
    await server.run("ip", "route", "add", "10.99.0.0/24", "via", "10.77.0.9");
    far = await computer("far", "192.0.2.4/24", "br2");
    late = await computer("late", "10.66.0.9/24", "br3");
    // An ordinary client has no address before it was given one.
    for (const client of [pc, lab, far]) await client.run("ip", "address", "flush", "dev", "eth0");
  });
  afterEach(async () => {
    await Promise.all(foreign.splice(0).map((lines) => lines.stop()));
    for (const client of [pc, lab, far]) await client.run("ip", "address", "flush", "dev", "eth0");
  });
  after(async () => {
    await network?.close();
    rmSync(work, { recursive: true });
  });

  async function secondCard(netns: string, name: string, address: string, bridge: string): Promise<void> {
    const cable = `${netns}-${name}`;
    await network.run("ip", ["link", "add", "name", cable, "type", "veth", "peer", "name", name, "netns", netns]);
    await network.run("ip", ["link", "set", "dev", cable, "master", bridge, "up"]);
    await network.run("ip", ["-n", netns, "address", "add", address, "dev", name]);
    await network.run("ip", ["-n", netns, "link", "set", name, "up"]);
  }

  function launch(...settings: string[]): Lines {
    const set = ["dnssd.enabled=false", ...settings].flatMap((pair) => ["--set", pair]);
    return server.start(process.execPath, main, "serve", "--json", "--data-dir", dataDir, ...set);
  }

  async function serve(...settings: string[]): Promise<Lines> {
    await serving?.stop();
    serving = launch(...settings);
    await serving.until('"ready":true');
    return serving;
  }

  const pools = ["10.77.0.50-10.77.0.69", "10.88.0.50-10.88.0.69", `10.99.0.50-10.99.0.69/24 via ${RELAY}`];
  const full = (...more: string[]) =>
    serve(
      "network.dhcp=full",
      "network.interfaces=eth0,eth1",
      `network.pool=${pools.join(",")}`,
      "network.router=10.77.0.1",
      "network.dns=10.77.0.5",
      "network.lease_minutes=2",
      ...more,
    );

  /** What the server said about packets of a computer since line `from`, once all of `texts` are in one line. */
  async function told(from: number, ...texts: string[]): Promise<Record<string, unknown>> {
    const line = await within(`the server tells ${texts.join(", ")}`, () =>
      serving!.seen.slice(from).find((one) => texts.every((text) => one.includes(text))),
    );
    return JSON.parse(line) as Record<string, unknown>;
  }

  /** Waits until the database says so: that is what a restart knows. */
  async function lease(address: string, state: string): Promise<void> {
    const db = new DatabaseSync(join(dataDir, "bootcast.db"), { readOnly: true });
    try {
      const row = db.prepare("select state from leases where address = ?");
      await within(`the lease of ${address} is ${state}`, () =>
        row.get(address)?.["state"] === state ? true : undefined,
      );
    } finally {
      db.close();
    }
  }

  async function macOf(computer: Computer): Promise<string> {
    return (await computer.run("cat", "/sys/class/net/eth0/address")).trim();
  }

  function run(computer: Computer, program: string, ...args: string[]): Lines {
    const lines = computer.start(program, ...args);
    foreign.push(lines);
    return lines;
  }

  let scripts = 0;
  /** A script for a DHCP client, that takes the address and says what happened. */
  function script(text: string): string {
    scripts += 1;
    const path = join(work, `script-${scripts}`);
    writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return path;
  }

  function dhclient(computer: Computer, more: { settings?: string; script?: string; leases?: string } = {}): Lines {
    const take =
      'case $reason in BOUND|RENEW|REBIND|REBOOT) ip address replace "$new_ip_address/24" dev "$interface";; esac';
    const say = 'echo "$reason $new_ip_address $new_subnet_mask $new_routers $new_dhcp_server_identifier"';
    const file = more.script ?? script(`${take}\n${say}`);
    const at = join(work, `dhclient-${scripts}`);
    // It waits up to some seconds before it asks, and doubles its waits; both are made short.
    const settings = `initial-interval 1; backoff-cutoff 2; initial-delay 0; timeout 20; reboot 2; ${more.settings ?? ""}`;
    writeFileSync(`${at}.conf`, settings);
    writeFileSync(`${at}.leases`, more.leases ?? "");
    return run(
      computer,
      "dhclient",
      "-4",
      "-d",
      "-cf",
      `${at}.conf`,
      "-lf",
      `${at}.leases`,
      "-pf",
      `${at}.pid`,
      "-sf",
      file,
      "eth0",
    );
  }

  function udhcpc(computer: Computer, ...more: string[]): Lines {
    const take = '[ "$1" = bound ] || [ "$1" = renew ] && ip address replace "$ip/24" dev "$interface"';
    const file = script(`${take}\necho "$1 $ip $subnet $router $serverid $lease"`);
    return run(computer, "udhcpc", "-f", "-i", "eth0", "-t", "5", "-T", "1", "-s", file, ...more);
  }

  /** A socket on the DHCP ports that sends made packets and says what it hears. */
  async function ports(computer: Computer, ...numbers: string[]): Promise<Lines> {
    const lines = computer.startNode(replay, ...numbers);
    foreign.push(lines);
    await lines.until("ready");
    return lines;
  }

  const heardBy = (lines: Lines): Received[] =>
    lines.seen.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Received);

  describe("as the only server", () => {
    before(() => full());

    test("dhclient gets a lease, renews it by itself, and gives it back", async () => {
      const from = serving!.seen.length;
      const client = dhclient(pc, { settings: "supersede dhcp-renewal-time 2; supersede dhcp-rebinding-time 60;" });
      const [, address] = (await client.until("BOUND ")).split(" ");
      assert.match(await client.until("BOUND "), /^BOUND 10\.77\.0\.\d+ 255\.255\.255\.0 10\.77\.0\.1 10\.77\.0\.1$/);
      assert.match(await client.until("RENEW "), new RegExp(`^RENEW ${address} `));
      const mac = await macOf(pc);
      const renewed = await told(from, mac, '"answered":"ACK"', `"to":{"address":"${address}","port":68}`);
      assert.equal(renewed["asked"], "REQUEST", "the answer to a renewal goes to the client's address");
      const conf = join(work, `dhclient-${scripts}`);
      await pc.run("dhclient", "-r", "-sf", "/bin/true", "-lf", `${conf}.leases`, "-pf", `${conf}.pid`, "eth0");
      await lease(address!, "released");
    });

    test("udhcpc gets one, renews it, gives it back, and gets the same one again", async () => {
      const first = udhcpc(pc, "-R");
      const bound = await first.until("bound ");
      assert.match(bound, /^bound 10\.77\.0\.\d+ 255\.255\.255\.0 10\.77\.0\.1 10\.77\.0\.1 120$/);
      const [, address] = bound.split(" ");
      await lease(address!, "bound");
      first.signal("SIGUSR1");
      assert.equal(await first.until("renew 10."), bound.replace("bound", "renew"));
      await first.stop();
      await lease(address!, "released");
      await pc.run("ip", "address", "flush", "dev", "eth0");
      assert.equal(await udhcpc(pc).until("bound "), bound);
    });

    test("each interface has its own pool and its own server address", async () => {
      const [one, two] = await Promise.all([udhcpc(pc).until("bound "), udhcpc(lab).until("bound ")]);
      assert.match(one, /^bound 10\.77\.0\.\d+ \S+ 10\.77\.0\.1 10\.77\.0\.1 /);
      // The router that is set lies in the other network.
      assert.match(two, /^bound 10\.88\.0\.\d+ 255\.255\.255\.0 {2}10\.88\.0\.1 120$/);
    });

    test("a client that finds its address in use declines it, and gets another", async () => {
      const from = serving!.seen.length;
      const refusing = script(
        'echo "$reason $new_ip_address"; [ "$reason" != BOUND ] || [ -e "$0.once" ] || { touch "$0.once"; exit 1; }',
      );
      const client = dhclient(pc, { script: refusing });
      const declined = await told(from, await macOf(pc), '"reason":"declined"');
      assert.equal(declined["asked"], "DECLINE");
      const [first, second] = await within("two leases", () => {
        const bound = client.seen.filter((line) => line.startsWith("BOUND "));
        return bound.length >= 2 ? bound : undefined;
      });
      assert.notEqual(first, second);
    });

    test("an address that a stranger uses is found before it is offered", async () => {
      const from = serving!.seen.length;
      const wanted = "10.77.0.60";
      await other.run("ip", "address", "add", `${wanted}/32`, "dev", "eth0");
      // A machine that nobody knows yet.
      await pc.run("ip", "link", "set", "dev", "eth0", "address", "02:00:00:00:57:a9");
      const bound = await udhcpc(pc, "-r", wanted).until("bound ");
      await other.run("ip", "address", "del", `${wanted}/32`, "dev", "eth0");
      assert(bound.startsWith("bound 10.77.0.") && !bound.startsWith(`bound ${wanted} `), bound);
      const warning = await told(from, "an address of the pool is used by a machine");
      assert.deepEqual([warning["address"], warning["user"]], [wanted, await macOf(other)]);
      await lease(wanted, "declined");
    });

    test("INFORM: settings for a client that has an address, and no address", async () => {
      await pc.run("ip", "address", "add", "10.77.0.20/24", "dev", "eth0");
      await pc.run("ip", "route", "replace", "default", "dev", "eth0");
      const client = await ports(pc, "68");
      const { hex } = vectorNamed("ovmf-x64-discover");
      const packet = { ...decodeDhcpPacket(bytesOf(hex)), xid: 0x1f04, flags: 0, ciaddr: "10.77.0.20" };
      const inform = { ...packet, options: [byteOption(Option.messageType, MessageType.inform)] };
      const way = { to: "255.255.255.255", port: 67, from: 68 };
      client.write(`${JSON.stringify({ hex: hexOf(encodeDhcpPacket(inform)), ...way })}\n`);
      const answer = decodeDhcpPacket(bytesOf((JSON.parse(await client.until("00001f04")) as Received).hex));
      assert.deepEqual([answer.yiaddr, answer.ciaddr], ["0.0.0.0", "10.77.0.20"]);
      assert.equal(optionData(answer, Option.leaseTime), undefined);
      assert.equal(optionAddress(answer, Option.router), "10.77.0.1");
      assert.equal(optionAddress(answer, Option.dnsServers), "10.77.0.5");
    });

    test("a client that comes from another network is told so, and asks anew", async () => {
      const from = serving!.seen.length;
      const old = [
        'lease { interface "eth0"; fixed-address 192.168.5.5; option subnet-mask 255.255.255.0;',
        "option dhcp-lease-time 86400; option dhcp-message-type 5; option dhcp-server-identifier 192.168.5.1;",
        "renew never; rebind never; expire never; }\n",
      ];
      const client = dhclient(pc, { leases: old.join("\n") });
      assert.match(await client.until("BOUND "), /^BOUND 10\.77\.0\./);
      await told(from, await macOf(pc), '"answered":"NAK"');
      assert(
        client.seen.some((line) => line.startsWith("DHCPNAK")),
        client.seen.join("\n"),
      );
    });

    for (const [name, start] of [
      [
        "dhcrelay, which adds option 82",
        () =>
          run(relay, "dhcrelay", "-4", "-d", "-a", "-i", "eth1", "-i", "eth0", "-pf", join(work, "relay.pid"), SERVER),
      ],
      [
        "dnsmasq",
        () =>
          run(
            relay,
            ...(["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--port=0"] as const),
            ...[
              "--bind-dynamic",
              "--pid-file=",
              `--dhcp-relay=${RELAY},${SERVER}`,
              `--dhcp-leasefile=${join(work, "relay")}`,
            ],
          ),
      ],
    ] as const) {
      test(`behind a relay (${name}): an address of its network, renewed and given back through routers`, async () => {
        const from = serving!.seen.length;
        const relaying = start();
        await relaying.until(name.startsWith("dnsmasq") ? "DHCP relay from" : "Sending on   Socket/fallback");
        const client = udhcpc(far, "-R");
        const bound = await client.until("bound ");
        assert.match(bound, /^bound 10\.99\.0\.\d+ 255\.255\.255\.0 10\.99\.0\.1 10\.77\.0\.1 120$/);
        const mac = await macOf(far);
        await told(from, mac, '"answered":"OFFER"', `"to":{"address":"${RELAY}","port":67}`);
        await far.run("ip", "route", "replace", "default", "via", RELAY);
        client.signal("SIGUSR1");
        await client.until("renew 10.");
        await client.stop();
        await lease(bound.split(" ")[1]!, "released");
      });
    }

    test("option 82 goes back as it came, at the end, to the relay", async () => {
      const socket = await ports(relay, "67");
      const { options, ...packet } = decodeDhcpPacket(bytesOf(vectorNamed("ovmf-x64-discover").hex));
      const information = { code: 82, data: Uint8Array.of(1, 4, 101, 116, 104, 49, 2, 3, 7, 8, 9) };
      const relayed = { ...packet, xid: 0x8282, hops: 1, giaddr: RELAY, options: [...options, information] };
      const way = { to: SERVER, port: 67, from: 67 };
      socket.write(`${JSON.stringify({ hex: hexOf(encodeDhcpPacket(relayed)), ...way })}\n`);
      const { hex, port } = JSON.parse(await socket.until("00008282")) as Received;
      const answer = decodeDhcpPacket(bytesOf(hex));
      assert.equal(port, 67);
      assert.match(answer.yiaddr, /^10\.99\.0\./);
      assert.deepEqual([...answer.options.at(-1)!.data], [...information.data]);
      assert.equal(answer.options.at(-1)!.code, 82);
    });
  });

  test("after a crash of the server a client finds it by rebinding, and its address is nobody else's", async () => {
    await full();
    const client = dhclient(pc, { settings: "supersede dhcp-renewal-time 2; supersede dhcp-rebinding-time 4;" });
    const [, address] = (await client.until("BOUND ")).split(" ");
    // A lease is on the disk a moment after it was given.
    await lease(address!, "bound");
    serving!.signal("SIGKILL");
    await serving!.exited;
    // It asks its server alone first, and everybody when that one is silent.
    const killed = client.seen.length;
    await within("the client asks everybody", () =>
      client.seen.slice(killed).find((line) => /DHCPREQUEST.* to 255\.255\.255\.255/.test(line)),
    );
    await full("network.allow_other_dhcp=true");
    // dhclient's script is told RENEW when the broadcast's answer comes from the server it had.
    const again = await within("the client has its lease again", () =>
      client.seen.slice(killed).find((line) => /^RE(BIND|NEW) /.test(line)),
    );
    assert.equal(again.split(" ")[1], address);
    const stranger = await ports(other, "68");
    await other.run("ip", "route", "replace", "default", "dev", "eth0");
    const packet = decodeDhcpPacket(bytesOf(vectorNamed("ovmf-x64-discover").hex));
    const wish = {
      code: Option.requestedAddress,
      data: bytesOf(addressNumber(address!).toString(16).padStart(8, "0")),
    };
    const asks = { ...packet, xid: 0x5721, options: [byteOption(Option.messageType, MessageType.discover), wish] };
    stranger.write(
      `${JSON.stringify({ hex: hexOf(encodeDhcpPacket(asks)), to: "255.255.255.255", port: 67, from: 68 })}\n`,
    );
    const offer = decodeDhcpPacket(
      bytesOf((JSON.parse(await stranger.until('"hex":"02', "00005721")) as Received).hex),
    );
    assert.match(offer.yiaddr, /^10\.77\.0\./);
    assert.notEqual(offer.yiaddr, address);
  });

  test("udhcpc keeps its address over a crash of the server", async () => {
    // With less than two minutes left udhcpc does not renew: it rebinds, by broadcast.
    await full("network.lease_minutes=1");
    const client = udhcpc(pc, "-R");
    const [, address] = (await client.until("bound ")).split(" ");
    await lease(address!, "bound");
    serving!.signal("SIGKILL");
    await serving!.exited;
    await full("network.lease_minutes=1");
    client.signal("SIGUSR1");
    assert.equal((await client.until("renew 10.")).split(" ")[1], address);
    await client.stop();
  });

  describe("beside dnsmasq", () => {
    let dnsmasq: Lines;
    const neighbour = async (...more: string[]) => {
      await dnsmasq?.stop();
      const files = ["--conf-file=/dev/null", "--pid-file=", `--dhcp-leasefile=${join(work, "dnsmasq")}`];
      const words = ["--no-daemon", "--user=root", "--port=0", "--interface=eth0", "--no-ping", ...files];
      dnsmasq = other.start("dnsmasq", ...words, "--dhcp-range=10.77.0.100,10.77.0.150,10m", ...more);
      await dnsmasq.until("DHCP, IP range");
    };
    before(() => neighbour());
    after(() => dnsmasq.stop());

    test("as the DHCP server we do not start, unless told to; then its clients are left to it", async () => {
      await serving?.stop();
      const settings = ["network.dhcp=full", "network.interfaces=eth0", `network.pool=${pools[0]}`];
      const refused = launch(...settings);
      assert.notEqual(await refused.exited, 0);
      assert.match(refused.seen.join("\n"), /DHCP_OTHER_SERVER/);
      assert(!refused.seen.some((line) => line.includes('"ready":true')));
      await serve(...settings, "network.allow_other_dhcp=true");
      await pc.run("ip", "address", "add", "10.77.0.120/24", "dev", "eth0");
      // A lease of the other server: neither refused nor confirmed by us.
      const from = serving!.seen.length;
      const lease = [
        'lease { interface "eth0"; fixed-address 10.77.0.120; option subnet-mask 255.255.255.0;',
        `option dhcp-lease-time 86400; option dhcp-message-type 5; option dhcp-server-identifier ${OTHER};`,
        "renew never; rebind never; expire never; }\n",
      ];
      const client = dhclient(pc, { leases: lease.join("\n") });
      await within("the client has an address", () =>
        client.seen.find((line) => /^(REBOOT|BOUND) 10\.77\.0\./.test(line)),
      );
      const mac = await macOf(pc);
      const answers = serving!.seen.slice(from).filter((line) => line.includes(mac) && line.includes('"NAK"'));
      assert.deepEqual(answers, []);
    });

    test("as a proxy we add boot data and no address, and a lease comes from the other server alone", async () => {
      await serve("network.dhcp=proxy", "network.interfaces=eth0");
      await pc.run("ip", "address", "add", "10.77.0.20/24", "dev", "eth0");
      await pc.run("ip", "route", "replace", "default", "dev", "eth0");
      const firmware = await ports(pc, "68");
      const { hex } = vectorNamed("ovmf-x64-discover");
      firmware.write(`${JSON.stringify({ hex, to: "255.255.255.255", port: 67, from: 68 })}\n`);
      const offers = await within("two offers", () => {
        const all = heardBy(firmware).filter((one) => one.hex.startsWith("02"));
        return all.length >= 2 ? all : undefined;
      });
      const bySource = new Map(offers.map((offer) => [offer.address, decodeDhcpPacket(bytesOf(offer.hex))]));
      assert.deepEqual([...bySource.keys()].toSorted(), [SERVER, OTHER]);
      assert.match(bySource.get(OTHER)!.yiaddr, /^10\.77\.0\.1[0-5]\d$/);
      const ours = bySource.get(SERVER)!;
      assert.deepEqual([ours.yiaddr, ours.siaddr, ours.file], ["0.0.0.0", SERVER, "x64/snponly.efi"]);
      for (const lease of [Option.subnetMask, Option.router, Option.leaseTime]) {
        assert.equal(optionData(ours, lease), undefined);
      }
      await firmware.stop();
      await pc.run("ip", "address", "flush", "dev", "eth0");
      const from = serving!.seen.length;
      const client = udhcpc(pc, "-R");
      assert.match(await client.until("bound "), new RegExp(`^bound 10\\.77\\.0\\.1\\d\\d \\S+ \\S+ ${OTHER} `));
      client.signal("SIGUSR1");
      await client.until("renew 10.");
      const mac = await macOf(pc);
      const said = serving!.seen.slice(from).filter((line) => line.includes(mac) && line.includes('"answered"'));
      assert.deepEqual(said, []);
    });

    test("another boot server is told of, once", async () => {
      await serve("network.dhcp=proxy", "network.interfaces=eth0");
      await neighbour("--dhcp-boot=pxelinux.0", "--dhcp-broadcast");
      for (let round = 0; round < 2; round += 1) {
        const client = udhcpc(pc, "-O", "bootfile", "-q");
        await client.until("bound ");
        await client.stop();
        await pc.run("ip", "address", "flush", "dev", "eth0");
      }
      const warning = await told(0, "another boot server answers");
      assert.deepEqual(
        [warning["server"], warning["file"], warning["interface"], warning["level"]],
        [OTHER, "pxelinux.0", "eth0", 40],
      );
      assert.equal(serving!.seen.filter((line) => line.includes("another boot server answers")).length, 1);
    });
  });

  test("a network that appears is served, and one that vanishes harms nobody", async () => {
    await serve("network.dhcp=proxy");
    await late.run("ip", "route", "replace", "default", "dev", "eth0");
    const client = await ports(late, "68");
    const ask = (xid: string) => {
      const { hex } = vectorNamed("ovmf-x64-discover");
      const own = hex.slice(0, 8) + xid + hex.slice(16);
      client.write(`${JSON.stringify({ hex: own, to: "255.255.255.255", port: 67, from: 68 })}\n`);
    };
    ask("0000a001");
    await secondCard("server", "eth2", "10.66.0.1/24", "br3");
    const answer = await within("the new network is served", () => {
      ask("0000a002");
      return heardBy(client).find(({ hex, address }) => hex.startsWith("02") && address === "10.66.0.1");
    });
    assert.equal(decodeDhcpPacket(bytesOf(answer.hex)).siaddr, "10.66.0.1");
    await server.run("ip", "link", "del", "eth2");
    const from = serving!.seen.length;
    const still = udhcpc(pc, "-V", "PXEClient:Arch:00007:UNDI:003000", "-x", "0x5d:0007", "-n", "-q");
    await told(from, await macOf(pc), '"answered":"OFFER"');
    await still.stop();
    assert.equal(await serving!.stop().then(() => serving!.exited), 0);
  });
});

/** Looks again and again, at most 15 seconds. */
async function within<T>(what: string, look: () => T | undefined): Promise<T> {
  for (const deadline = AbortSignal.timeout(15_000); !deadline.aborted; ) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within 15 s: ${what}`);
}
