/** Gets a lease with the npm package `dhcp` and prints it: an independent client. */
import { createRequire } from "node:module";

type Client = {
  on(event: "bound", listener: (state: unknown) => void): void;
  on(event: "error", listener: (error: unknown) => void): void;
  listen(port: undefined, host: undefined, ready: () => void): void;
  sendDiscover(): void;
  close(): void;
};
const dhcp = createRequire(import.meta.url)("dhcp") as { createClient(options: object): Client };

const client = dhcp.createClient({ mac: process.argv[2], features: ["hostname"] });
client.on("bound", (state) => {
  console.log(`bound ${JSON.stringify(state)}`);
  client.close();
});
client.on("error", (error) => console.log(`error ${String(error)}`));
client.listen(undefined, undefined, () => client.sendDiscover());
