/**
 * A Mac that looks for its boot server over real sockets, for tests in network namespaces:
 * `node mac-client.ts firmware|probe ADDRESS`. It prints what came of it as JSON.
 */

import type { BsdpClientAction } from "../../../bsdp/bsdp-client.ts";
import { BsdpClient } from "../../../bsdp/bsdp-client.ts";
import { encodeDhcpPacket } from "../../../bsdp/dhcp-packet.ts";
import { probeBsdpServers } from "../../../cli/doctor/bsdp-probe.ts";
import { openDeviceSocket } from "../../../server/dhcp/device-socket.ts";

const [what, address = ""] = process.argv.slice(2);

if (what === "probe")
  console.log(JSON.stringify((await probeBsdpServers({ server: address, deadlineMs: 4000 })) ?? null));
else console.log(JSON.stringify(await boot()));

async function boot(): Promise<BsdpClientAction> {
  const client = new BsdpClient({
    profile: "firmware",
    mac: "02:00:00:00:00:50",
    address,
    arch: "i386",
    model: "iMac14,3",
    replyPort: 68,
    xid: 7,
    random: () => 0,
  });
  let last: BsdpClientAction | undefined;
  const obey = (actions: readonly BsdpClientAction[]) => {
    for (const action of actions) {
      last = action;
      if (action.type !== "send") continue;
      void socket.send(encodeDhcpPacket(action.packet), { address: "255.255.255.255", port: 67 });
    }
  };
  const socket = await openDeviceSocket({
    device: "eth0",
    address,
    port: 68,
    onPacket: (bytes) => obey(client.onPacket(bytes, performance.now())),
    onError: (error) => console.error(error),
  });
  obey(client.start(performance.now()));
  while (!client.hasEnded) {
    // Answers come between the timers; whoever ended by one is seen within a tenth of a second.
    const waitMs = Math.min(100, Math.max(1, client.deadline - performance.now()));
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    obey(client.onTimer(performance.now()));
  }
  await socket.close();
  return last!;
}
