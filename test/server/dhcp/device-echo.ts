/** Sends back, by broadcast, what comes to port 67 of an interface: `node device-echo.ts s0 10.77.0.1 koffi|plain`. */
import { Fault } from "../../../fault.ts";
import { type DeviceSocket, openDeviceSocket } from "../../../server/dhcp/device-socket.ts";

const [device = "", address = "", how] = process.argv.slice(2);
let socket: DeviceSocket | undefined;
try {
  socket = await openDeviceSocket({
    device,
    address,
    port: 67,
    onPacket: (bytes, source) => {
      console.log(`heard ${Buffer.from(bytes).toString("hex")}`);
      // Our own broadcast comes back too.
      if (source.address !== address) void socket?.send(bytes, { address: "255.255.255.255", port: source.port });
    },
    onError: (error) => console.log(`error ${error.message}`),
    withoutKoffi: how === "plain",
  });
  console.log("ready");
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  console.log(`${error.code} ${error.why}`);
}
process.stdin.on("end", () => void socket?.close()).resume();
