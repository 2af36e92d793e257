import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { Fault } from "../../fault.ts";

/**
 * A UDP socket that listens on one address.
 * @throws {Fault} TFTP_PORT_TAKEN, TFTP_NOT_PERMITTED, TFTP_ADDRESS_MISSING, TFTP_FAILED
 */
export async function listen(address: string, port: number): Promise<Socket> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  try {
    socket.bind(port, address);
    await once(socket, "listening");
    return socket;
  } catch (error) {
    socket.close();
    throw cannotListen(address, port, error);
  }
}

function cannotListen(address: string, port: number, error: unknown): Fault {
  const what = `TFTP cannot listen on ${address}, port ${port}/udp.`;
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE": {
      const fix = `"ss -ulpn sport = :${port}" shows which one. Stop it, or set tftp.port.`;
      return new Fault("TFTP_PORT_TAKEN", { what, why: "Another program listens there.", fix }, error);
    }
    case "EACCES": {
      const fix = "Run bootcast as root or give it CAP_NET_BIND_SERVICE.";
      return new Fault("TFTP_NOT_PERMITTED", { what, why: "Ports below 1024 need the right to use them.", fix }, error);
    }
    case "EADDRNOTAVAIL": {
      const fix = 'Check the address of the interface with "ip address".';
      return new Fault("TFTP_ADDRESS_MISSING", { what, why: "No interface has this address.", fix }, error);
    }
    default: {
      const why = error instanceof Error ? error.message : String(error);
      return new Fault("TFTP_FAILED", { what, why, fix: "Check network.interfaces and tftp.port." }, error);
    }
  }
}
