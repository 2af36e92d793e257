/** Our TFTP server alone: `node tftp-serve.ts ADDRESS DIRECTORY [dgram]`. It says "ready". */
import { pino } from "pino";
import { startTftp } from "../../server/tftp/server.ts";

const [address = "", root = "", engine] = process.argv.slice(2);
await startTftp({
  addresses: [address],
  port: 69,
  root,
  log: pino({ level: "warn" }, process.stderr),
  now: () => performance.now(),
  // All clients of the lab may share one address.
  maxTransfersPerClient: 64,
  withoutKoffi: engine === "dgram",
});
console.log("ready");
