import type { Peer, TransferEnd, TransferOrder } from "./engine.ts";

/** What the thread is started with. */
export type ThreadStart = {
  /** IPv4. Each gets `portsPerAddress` sockets. */
  readonly addresses: readonly string[];
  /** An eventfd: it is written whenever a message waits. */
  readonly wakeDescriptor: number;
};

export type ToThread =
  | { readonly type: "start"; readonly order: TransferOrder }
  | { readonly type: "repeat"; readonly id: number }
  | { readonly type: "supersede"; readonly id: number }
  | {
      readonly type: "refuse";
      readonly serverAddress: string;
      readonly peer: Peer;
      readonly code: number;
      readonly message: string;
    }
  | { readonly type: "close" };

export type FromThread =
  | { readonly type: "ready" }
  /** The sockets could not be opened. */
  | { readonly type: "refused"; readonly why: string }
  | { readonly type: "ended"; readonly id: number; readonly end: TransferEnd }
  | { readonly type: "suspectMtu"; readonly id: number };
