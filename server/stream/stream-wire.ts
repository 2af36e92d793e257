import type { StreamDescription } from "../../multicast/description.ts";
import type { StreamLayout } from "../../multicast/layout.ts";
import type { SenderSession } from "../../multicast/sender.ts";
import type { MulticastSender } from "./socket.ts";

/** All of a stream that goes by the size of its symbols. */
export type StreamWire = {
  readonly description: StreamDescription;
  readonly layout: StreamLayout;
  readonly session: SenderSession;
  readonly socket: MulticastSender;
};
