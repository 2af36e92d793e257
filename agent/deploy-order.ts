import type { Order, Registration } from "./contract.ts";
import type { BootNetwork } from "./network.ts";
import type { ServerClient } from "./server-client.ts";

export type DeployOrder = Extract<Order, { kind: "deploy" }>;

/** This machine as its server knows it. */
export type Host = { readonly client: ServerClient; readonly host: Registration; readonly network: BootNetwork };
